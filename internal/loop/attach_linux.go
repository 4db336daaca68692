//go:build !portable

package loop

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Attach takes over a connection of package net, a *net.TCPConn or *net.UnixConn or
// one that has a SyscallConn like theirs. From then on nc must not be used: it is
// closed, while the connection itself goes on. After an error it is as it was.
func (l *Loop) Attach(nc net.Conn) (*Conn, error) {
	l.current()
	if l.closing {
		return nil, ErrClosed
	}
	fd, err := duplicate(nc)
	if err != nil {
		return nil, fmt.Errorf("take over the connection from %s: %w", nc.RemoteAddr(), err)
	}
	_ = nc.Close() // the other descriptor keeps the connection open
	c := newConn(l, fd, nc.RemoteAddr().Network() == "unix")
	switch addr := nc.RemoteAddr().(type) {
	case *net.TCPAddr:
		ap := addr.AddrPort()
		c.remote = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	case *net.UnixAddr:
		c.path = addr.Name
	}
	l.load.conns.Add(1)
	c.attach()
	return c, nil
}

// duplicate returns another descriptor of the connection.
func duplicate(nc net.Conn) (fd int, err error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("%T has no descriptor", nc)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	if err := raw.Control(func(old uintptr) {
		fd, failed = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return 0, err
	}
	return fd, os.NewSyscallError("dup", failed)
}
