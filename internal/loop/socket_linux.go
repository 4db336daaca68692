//go:build !portable

package loop

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The pauses between two looks at a queue that is to run empty.
const (
	minFlushPause = time.Millisecond
	maxFlushPause = 50 * time.Millisecond
)

// Flush waits until the peer's kernel has acknowledged all that was written: a
// Reset throws away what has not. It returns the error of a connection that is
// broken or closed by then, or whose write deadline has passed. On Unix sockets,
// where a reset throws away nothing, it returns at once.
func (c *Conn) Flush() error {
	for pause := minFlushPause; ; pause = min(2*pause, maxFlushPause) {
		if err := c.may(writeSide); err != nil {
			return err
		}
		if c.broken != 0 {
			return c.unwritable(c.broken)
		}
		if c.Unacked() == 0 {
			return nil
		}
		if err := c.Loop().Sleep(pause); err != nil {
			return err
		}
	}
}

// tcpClose is the state of a socket that has no connection (tcp_states.h).
const tcpClose = 7

// Unacked returns how many written bytes the peer's kernel has not acknowledged
// yet; 0 if there is no connection any more, and on Unix sockets.
func (c *Conn) Unacked() int {
	if c.unix || c.fd < 0 {
		return 0
	}
	n, err := unix.IoctlGetInt(int(c.fd), unix.TIOCOUTQ)
	if err != nil || n == 0 {
		return 0
	}
	// The kernel goes on counting what was never delivered.
	if info, err := unix.GetsockoptTCPInfo(int(c.fd), unix.IPPROTO_TCP, unix.TCP_INFO); err != nil || info.State == tcpClose {
		return 0
	}
	return n
}

// SyscallConn returns the raw connection, for socket options. Its Control is for
// fibers of the loop; its Read and Write wait as the Conn's do.
func (c *Conn) SyscallConn() (syscall.RawConn, error) { return rawConn{c}, nil }

// rawConn implements syscall.RawConn.
type rawConn struct{ c *Conn }

func (r rawConn) Control(f func(fd uintptr)) error {
	if r.c.closed.Load() {
		return r.c.opError("raw-control", net.ErrClosed)
	}
	f(uintptr(r.c.fd))
	return nil
}

func (r rawConn) Read(f func(fd uintptr) (done bool)) error {
	for {
		if err := r.c.may(readSide); err != nil {
			return err
		}
		if f(uintptr(r.c.fd)) {
			return nil
		}
		r.c.readable = false
		r.c.waitReadable()
		if err := r.c.Err(); err != nil {
			return r.c.opError("raw-read", err)
		}
	}
}

func (r rawConn) Write(f func(fd uintptr) (done bool)) error {
	r.c.writeAtOnce()
	for {
		if err := r.c.may(writeSide); err != nil {
			return err
		}
		if f(uintptr(r.c.fd)) {
			return nil
		}
		if err := r.c.Err(); err != nil {
			return r.c.opError("raw-write", err)
		}
		r.c.full()
		r.c.waitWritable()
	}
}
