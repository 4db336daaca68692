//go:build !linux || portable

package loop

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func (c *Conn) network() string { return c.conn.RemoteAddr().Network() }

// RemoteAddrPort returns the address of a TCP peer, without allocating; zero for
// Unix sockets. Any goroutine may call it.
func (c *Conn) RemoteAddrPort() netip.AddrPort { return c.remote }

// RemoteAddr returns the peer's address. Any goroutine may call it.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// LocalAddr returns the own address.
func (c *Conn) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// SyscallConn returns the raw connection, for socket options. Its Control is for
// fibers of the loop; its Read and Write wait as the Conn's do.
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.conn.SyscallConn()
	return rawConn{c, raw}, err
}

// rawConn implements syscall.RawConn.
type rawConn struct {
	c   *Conn
	raw syscall.RawConn
}

func (r rawConn) Control(f func(fd uintptr)) error { return r.raw.Control(f) }

func (r rawConn) Read(f func(fd uintptr) (done bool)) (err error) {
	r.c.Loop().wait(func() { err = r.raw.Read(f) })
	return err
}

func (r rawConn) Write(f func(fd uintptr) (done bool)) (err error) {
	r.c.Loop().wait(func() { err = r.raw.Write(f) })
	return err
}

// The pauses between two looks at a queue that is to run empty.
const (
	minFlushPause = time.Millisecond
	maxFlushPause = 50 * time.Millisecond
)

// Flush waits until the peer's kernel has acknowledged all that was written: a Reset
// throws away what has not. It returns the error of a connection that is broken or closed
// by then, or the Group's. Where the system does not report that, and on Unix sockets, it
// returns at once.
func (c *Conn) Flush() error {
	for pause := minFlushPause; ; pause = min(2*pause, maxFlushPause) {
		if c.closed.Load() {
			return c.opError("write", net.ErrClosed)
		}
		if err := c.Err(); err != nil {
			return c.opError("write", err)
		}
		if c.Unacked() == 0 {
			return nil
		}
		if err := c.Loop().Sleep(pause); err != nil {
			return err
		}
	}
}

// Unacked returns how many written bytes the peer's kernel has not acknowledged yet; 0 if
// there is no connection any more, on Unix sockets, and where the system does not report
// it.
func (c *Conn) Unacked() int { return unacked(c.conn) }

// socketError returns the error that broke a connection, if one did.
func socketError(fd uintptr) error {
	code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = syscall.Errno(code)
	}
	return err
}

// Dial connects to a TCP address, without looking up names, within the timeout;
// zero is no limit but the system's. It sets TCP_NODELAY. When ctx is done, it
// ends at once. After a time-out the error is os.ErrDeadlineExceeded. What it
// returns can be written to at once.
func (l *Loop) Dial(ctx context.Context, to netip.AddrPort, timeout time.Duration) (*Conn, error) {
	return l.dial(ctx, "tcp", to.String(), timeout)
}

// DialUnix connects to a Unix socket, as Dial does. A path that begins with @ is in
// the abstract namespace.
func (l *Loop) DialUnix(ctx context.Context, path string, timeout time.Duration) (*Conn, error) {
	return l.dial(ctx, "unix", path, timeout)
}

func (l *Loop) dial(ctx context.Context, network, addr string, timeout time.Duration) (*Conn, error) {
	if l.ctx.Err() != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: ErrClosed}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	d := net.Dialer{Timeout: timeout, KeepAlive: -1}
	var conn net.Conn
	var err error
	l.wait(func() { conn, err = d.DialContext(ctx, network, addr) })
	if err == nil {
		l.load.conns.Add(1)
		return attachConn(l, conn.(stream)), nil
	}
	var op *net.OpError
	if errors.As(err, &op) {
		switch {
		case l.ctx.Err() != nil:
			op.Err = ErrClosed
		case ctx.Err() != nil:
			op.Err = context.Cause(ctx)
		case op.Timeout():
			op.Err = os.ErrDeadlineExceeded
		}
	}
	return nil, err
}
