//go:build !portable

package loop

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Unix listener whose queue is full refuses with EAGAIN: these are the pauses
// before it is asked again.
const (
	minDialPause = time.Millisecond
	maxDialPause = 20 * time.Millisecond
)

// Dial connects to a TCP address, without looking up names, within the timeout;
// zero is no limit but the system's. When ctx is done, it ends at once. After a time-out
// the error is os.ErrDeadlineExceeded. What it returns can be written to at once, and no
// write is delayed (TCP_NODELAY).
func (l *Loop) Dial(ctx context.Context, to netip.AddrPort, timeout time.Duration) (*Conn, error) {
	family := unix.AF_INET6
	if to.Addr().Unmap().Is4() {
		family = unix.AF_INET
	}
	c, err := l.socket(family, to)
	if err != nil {
		return nil, dialError("tcp", net.TCPAddrFromAddrPort(to), err)
	}
	sa, length := rawAddr(to)
	if err := c.connect(ctx, &sa, length, timeout); err != nil {
		c.shut(false)
		return nil, dialError("tcp", net.TCPAddrFromAddrPort(to), err)
	}
	return c, nil
}

// DialUnix connects to a Unix socket, as Dial does. A path that begins with @ is in
// the abstract namespace.
func (l *Loop) DialUnix(ctx context.Context, path string, timeout time.Duration) (*Conn, error) {
	c, err := l.socket(unix.AF_UNIX, netip.AddrPort{})
	if err == nil {
		c.path = &path
		if err = c.connectUnix(ctx, path, timeout); err != nil {
			c.shut(false)
		}
	}
	if err != nil {
		return nil, dialError("unix", &net.UnixAddr{Net: "unix", Name: path}, err)
	}
	return c, nil
}

func dialError(network string, to net.Addr, err error) error {
	return &net.OpError{Op: "dial", Net: network, Addr: to, Err: err}
}

// socket returns a connection that is not connected yet.
func (l *Loop) socket(family int, to netip.AddrPort) (*Conn, error) {
	l.current()
	if l.closing {
		return nil, ErrClosed
	}
	fd, errno := newSocket(family)
	if errno != 0 {
		return nil, os.NewSyscallError("socket", errno)
	}
	c := newConn(l, int(fd), family == unix.AF_UNIX)
	c.remote = to
	if !c.unix {
		c.nagle = nagleFirst
	}
	l.load.conns.Add(1)
	c.attach()
	return c, nil
}

// connect connects, and waits for that.
func (c *Conn) connect(ctx context.Context, sa *unix.RawSockaddrAny, length uintptr, timeout time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	errno := c.begin(sa, length)
	if errno == syscall.EINPROGRESS {
		c.full()
		if err := c.waitConnected(ctx, timeout); err != nil {
			return err
		}
	} else if errno != 0 {
		return os.NewSyscallError("connect", errno)
	}
	if c.toItself() {
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	return nil
}

func (c *Conn) begin(sa *unix.RawSockaddrAny, length uintptr) syscall.Errno {
	for {
		_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(c.fd), uintptr(unsafe.Pointer(sa)), length)
		if errno != syscall.EINTR {
			return errno
		}
	}
}

// waitConnected waits for the end of a connect that is under way.
func (c *Conn) waitConnected(ctx context.Context, timeout time.Duration) error {
	if done := ctx.Done(); done != nil {
		c.Loop().dials.add(ctx, c)
		defer c.Loop().dials.remove(done, c)
	}
	c.waitWritableFor(timeout)
	switch {
	case c.broken != 0:
		return os.NewSyscallError("connect", c.broken)
	case c.writable && !c.closed.Load():
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case c.closed.Load():
		return ErrClosed
	}
	return os.ErrDeadlineExceeded
}

// connectUnix connects, and waits while the listener's queue is full.
func (c *Conn) connectUnix(ctx context.Context, path string, timeout time.Duration) error {
	end := now() + int64(timeout)
	for pause := minDialPause; ; pause = min(2*pause, maxDialPause) {
		err := unix.Connect(int(c.fd), &unix.SockaddrUnix{Name: path})
		if err != unix.EAGAIN && err != unix.EINTR {
			return os.NewSyscallError("connect", err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if timeout > 0 && now() >= end {
			return os.ErrDeadlineExceeded
		}
		if err := c.Loop().Sleep(pause); err != nil {
			return err
		}
	}
}

// toItself reports whether the connection is one with itself: that happens when no
// listener has a port that the kernel then picks as the source port.
func (c *Conn) toItself() bool {
	if port := c.remote.Port(); port < c.Loop().firstPort || port > c.Loop().lastPort {
		return false
	}
	var sa unix.RawSockaddrAny
	length := uint32(unix.SizeofSockaddrAny)
	_, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(c.fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&length)))
	local := addrPort(&sa)
	return errno == 0 && local.Port() == c.remote.Port() && local.Addr() == c.remote.Addr().Unmap()
}

// dials are the connects under way in a loop, by the channel of the context that ends
// them: a context.AfterFunc for each connect would cost as much as the rest of it.
type dials struct {
	groups map[<-chan struct{}]*dialGroup
	empty  <-chan struct{} // of a group that is kept for the next connect; may be nil
}

// dialGroup is the connects of one context.
type dialGroup struct {
	conns map[*Conn]struct{}
	stop  func() bool
}

func (d *dials) add(ctx context.Context, c *Conn) {
	g := d.groups[ctx.Done()]
	if g == nil {
		l := c.Loop()
		g = &dialGroup{conns: make(map[*Conn]struct{})}
		g.stop = context.AfterFunc(ctx, func() { l.queue.post(op{kind: opCall, fn: g.cut}) })
		d.groups[ctx.Done()] = g
	}
	g.conns[c] = struct{}{}
}

// remove keeps one group that has become empty: most connects have the same context.
func (d *dials) remove(done <-chan struct{}, c *Conn) {
	g := d.groups[done]
	delete(g.conns, c)
	if len(g.conns) > 0 || d.empty == done {
		return
	}
	if old := d.groups[d.empty]; old != nil && len(old.conns) == 0 {
		old.stop()
		delete(d.groups, d.empty)
	}
	d.empty = done
}

// end is called when the loop ends.
func (d *dials) end() {
	for _, g := range d.groups {
		g.stop()
	}
}

// cut is called in the loop when the context is done.
func (g *dialGroup) cut() {
	for c := range g.conns {
		c.shut(false)
	}
}
