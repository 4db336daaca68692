//go:build !linux || portable

package loop

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// past as a deadline ends what waits.
var past = time.Unix(1, 0)

// watcher is a goroutine that waits for bytes in a fiber's stead. It reads one to
// see that there are any.
type watcher struct {
	donec chan struct{}
	got   []byte // the loop's once donec is closed
}

// collect adds the watcher's byte to those to be read.
func (c *Conn) collect(w *watcher) {
	c.rest = append(c.rest, w.got...)
	w.got = nil
}

// OnReadable starts fn as a fiber, once, when there is something to read: bytes,
// the end of the stream, an error, a deadline that has passed, or Close. After the
// end of the stream has been read, that is only an error or Close. It returns at
// once, also if there is something already. A later OnReadable, Forward or Read
// takes its place; nil only forgets.
//
// In this version a goroutine waits.
func (c *Conn) OnReadable(fn func()) {
	c.unwatch()
	if fn == nil {
		return
	}
	w := &watcher{donec: make(chan struct{})}
	c.watcher = w
	quick := len(c.rest) > 0 || c.Err() != nil || c.closed.Load()
	ended := c.eof
	wait := func() bool {
		defer close(w.donec)
		switch {
		case quick:
		case ended:
			c.awaitBreak()
		default:
			var one [1]byte
			n, _ := c.receive(one[:]) // an end or an error is there again for Read
			w.got = one[:n]
		}
		return true
	}
	run := func() {
		if c.watcher == w {
			c.collect(w)
			c.watcher = nil
			fn()
		}
	}
	if !c.Loop().spawn(c, wait, run) {
		c.watcher = nil
	}
}

// Forward is OnReadable. (The version for Linux also moves small messages to dst until
// then.)
func (c *Conn) Forward(dst *Conn, fn func()) { c.OnReadable(fn) }

// awaitBreak waits until a connection whose stream has ended breaks or is closed.
func (c *Conn) awaitBreak() {
	raw, err := c.conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) bool {
		if err := socketError(fd); err != nil {
			_ = c.fail(err)
			return true
		}
		return false
	})
}

// unwatch forgets OnReadable: it interrupts the watcher and takes over the byte
// that it may have read.
func (c *Conn) unwatch() {
	w := c.watcher
	if w == nil {
		return
	}
	c.watcher = nil
	c.setIdle(past)
	c.Loop().wait(func() { <-w.donec })
	c.setIdle(time.Time{})
	c.collect(w)
}

// SetDeadline sets both deadlines. Any goroutine may call it.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline sets the time from which on Read, and ReadFrom of another Conn,
// return os.ErrDeadlineExceeded; zero is never. Any goroutine may call it.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.conn.SetReadDeadline(c.effectiveLocked())
}

// SetWriteDeadline sets the time from which on Write and ReadFrom return
// os.ErrDeadlineExceeded; zero is never. Any goroutine may call it.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.conn.SetWriteDeadline(t) }

// effectiveLocked is the earlier one of the user's deadline and ReadFrom's.
func (c *Conn) effectiveLocked() time.Time {
	if c.idleAt.IsZero() || !c.deadline.IsZero() && c.deadline.Before(c.idleAt) {
		return c.deadline
	}
	return c.idleAt
}

// setIdle sets the time at which a connection is idle; zero is never.
func (c *Conn) setIdle(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idleAt = at
	_ = c.conn.SetReadDeadline(c.effectiveLocked())
}

// ReadFrom copies from r until its end, as io.Copy asks for. From a Conn of the same
// loop it returns ErrIdle if nothing comes for a second. A *net.OpError with Op
// "read" is about r, one with "write" about c.
//
// Bytes that r has given and c has not taken are put back into r, unless c is
// broken or closed.
//
// When r has ended, CloseWrite or Close should come next, as on Linux.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	src, ok := r.(*Conn)
	if !ok || src.Loop() != c.Loop() {
		return io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{r})
	}
	before := c.written.Load()
	err := c.copyFrom(src)
	return c.written.Load() - before, endless(err)
}

// copyFrom returns io.EOF at the end of the stream.
func (c *Conn) copyFrom(src *Conn) error {
	defer src.setIdle(time.Time{})
	buf := make([]byte, bufferSize)
	for {
		if c.closed.Load() {
			return c.opError("write", net.ErrClosed)
		}
		src.setIdle(time.Now().Add(time.Second))
		n, err := src.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) && src.may() == nil {
			return ErrIdle
		}
		if err != nil {
			return err
		}
		if n == bufferSize {
			c.tellBulk(src)
		}
		if m, err := c.Write(buf[:n]); err != nil {
			if c.Err() == nil && !c.closed.Load() {
				src.Unread(buf[m:n])
			}
			return err
		}
	}
}
