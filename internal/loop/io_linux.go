//go:build !portable

package loop

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errAgain is returned inside the package by a call that would have to wait.
var errAgain = errors.New("loop: would wait")

// Read reads the bytes that have arrived, and waits only if there are none.
func (c *Conn) Read(p []byte) (int, error) {
	if c.notify != nil {
		c.ignore()
	}
	for {
		if n, err := c.readRest(p); n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		if n, err := c.recv(p); err != errAgain {
			c.Loop().pay(n)
			return n, err
		}
		c.waitReadable()
	}
}

// readRest begins a read: it reads the bytes that have been put back, if there are any.
func (c *Conn) readRest(p []byte) (int, error) {
	if err := c.may(readSide); err != nil {
		return 0, err
	}
	n := copy(p, c.rest)
	if n > 0 {
		c.drop(n)
	}
	return n, nil
}

// Write writes all of p, and waits for room.
func (c *Conn) Write(p []byte) (written int, err error) {
	for {
		if err := c.may(writeSide); err != nil || len(p) == 0 {
			return written, err
		}
		n, err := c.send(p)
		written, p = written+n, p[n:]
		if err == nil {
			c.Loop().pay(n)
			continue
		}
		if err != errAgain {
			return written, err
		}
		c.waitWritable()
	}
}

// Unread puts bytes back that have been read: they are the next to be read, and the end
// of the stream, if it has been read, comes after them again. It keeps a copy. A wrapper
// with the bytes in front would switch splicing off.
func (c *Conn) Unread(p []byte) {
	c.eof = false
	if len(p) > 0 {
		c.rest = slices.Concat(p, c.rest)
	}
}

// drop takes n bytes from what has been put back.
func (c *Conn) drop(n int) {
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
}

// may reports why nothing may be read or written any more: the connection is
// closed or a deadline has passed.
func (c *Conn) may(s side) error {
	if c.closed.Load() {
		return c.opError(s.op(), net.ErrClosed)
	}
	if c.late(s) {
		return c.opError(s.op(), os.ErrDeadlineExceeded)
	}
	return nil
}

// waitReadable waits until there may be something to read, or a reason not to.
func (c *Conn) waitReadable() {
	c.register()
	l := c.Loop()
	for !c.readable && len(c.rest) == 0 && c.broken == 0 && !c.closed.Load() && !c.late(readSide) {
		c.arm()
		c.reader = l.current()
		l.park()
		c.reader = nil
		if c.quiet >= quietLooks && c.copies != 0 {
			return
		}
	}
}

// waitWritable waits until there may be room, or a reason not to write.
func (c *Conn) waitWritable() {
	c.register()
	l := c.Loop()
	for !c.writable && c.broken == 0 && !c.closed.Load() && !c.late(writeSide) {
		c.arm()
		c.writer = l.current()
		l.park()
		c.writer = nil
	}
}

// waitWritableFor is waitWritable with a time limit, zero is none: without a deadline,
// which would take memory as long as the connection is there. It leaves the fiber's
// timer set: the next wait of this kind can use it, and others do not mind being woken.
func (c *Conn) waitWritableFor(limit time.Duration) {
	c.register()
	l := c.Loop()
	f := l.current()
	end := now() + int64(limit)
	for !c.writable && c.broken == 0 && !c.closed.Load() && (limit <= 0 || now() < end) {
		if limit > 0 && (!f.sleeper.set() || f.sleeper.when > end) {
			l.timers.set(&f.sleeper, end)
		}
		c.writer = f
		l.park()
		c.writer = nil
	}
}

// recv reads without waiting: it returns errAgain instead. A read that does not fill the
// buffer has emptied the socket: the next bytes are a new event. That spares a second
// read, but not once the peer has ended, which is reported only once.
func (c *Conn) recv(p []byte) (int, error) {
	if !c.readable && c.broken == 0 {
		if c.eof {
			return 0, io.EOF
		}
		return 0, errAgain
	}
	n, errno := call(unix.SYS_RECVFROM, c.fd, p)
	if errno == syscall.EAGAIN && c.urgent {
		// At urgent data that is also what a pending signal gives, of which the
		// runtime sends many. After this call it has been delivered.
		n, errno = call(unix.SYS_RECVFROM, c.fd, p)
	}
	if errno == syscall.EAGAIN && c.broken == 0 {
		c.readable = false
		return 0, errAgain
	}
	if errno != 0 || n == 0 {
		return 0, c.ended(errno)
	}
	c.read.Add(int64(n))
	if n < len(p) && !c.exact {
		c.readable = false
	}
	return n, nil
}

// ended returns the result of a read without bytes: an error if there was one, even if it
// was returned before, else the end of the stream.
func (c *Conn) ended(errno syscall.Errno) error {
	if errno != 0 {
		c.fail(errno)
	}
	if c.broken != 0 {
		return c.opError("read", os.NewSyscallError("read", c.broken))
	}
	c.eof = true
	return io.EOF
}

// send writes without waiting: it returns errAgain instead.
func (c *Conn) send(p []byte) (int, error) { return c.sendWith(p, 0) }

func (c *Conn) sendWith(p []byte, flags uintptr) (int, error) {
	if c.broken == 0 && !c.writable {
		return 0, errAgain
	}
	if c.broken != 0 {
		return 0, c.unwritable(c.broken)
	}
	c.writeAtOnce()
	n, errno := callWith(unix.SYS_SENDTO, c.fd, p, unix.MSG_NOSIGNAL|flags)
	if errno == syscall.EAGAIN {
		c.full()
		return 0, errAgain
	}
	if errno != 0 {
		return 0, c.unwritable(errno)
	}
	c.written.Add(int64(n))
	return n, nil
}

// writeAtOnce sets TCP_NODELAY on a dialled socket before its second write. The kernel
// delays no first one, and many connections have no other.
func (c *Conn) writeAtOnce() {
	switch c.nagle {
	case nagleFirst:
		c.nagle = nagleNext
	case nagleNext:
		c.nagle = nagleOff
		setNoDelay(c.fd)
	}
}

// unwritable returns the error of a write, and keeps it unless it is about our own
// end of the stream.
func (c *Conn) unwritable(errno syscall.Errno) error {
	if errno != syscall.EPIPE || !c.shutdown {
		c.fail(errno)
	}
	return c.opError("write", os.NewSyscallError("write", errno))
}
