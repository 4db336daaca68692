//go:build !portable

package loop

import (
	"io"

	"golang.org/x/sys/unix"
)

// ReadFrom copies from r until its end, as io.Copy asks for. From a Conn of the same
// loop it copies without a buffer of its own: while the fiber waits, the loop moves
// small messages, and bulk is spliced. It then returns ErrIdle if nothing comes
// for a second. A *net.OpError with Op "read" is about r, one with "write" about c.
//
// Bytes that r has given and c has not taken are put back into r, unless c is
// broken or closed.
//
// When r has ended, the kernel may hold its last bytes back for 0.2 s, so that they go
// out together with the end of c's stream: CloseWrite or Close should come next.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	src, ok := r.(*Conn)
	if !ok || src.Loop() != c.Loop() {
		return c.copyPlain(r)
	}
	before := c.written.Load()
	src.ignore()
	err := c.copyFrom(src)
	if c.held && err != io.EOF {
		setNoDelay(c.fd)
	}
	c.held = false
	return c.written.Load() - before, endless(err)
}

// copyPlain hides ReadFrom from io.Copy.
func (c *Conn) copyPlain(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{r})
}

// copyFrom returns io.EOF at the end of the stream.
func (c *Conn) copyFrom(src *Conn) error {
	for {
		if err := c.writeRest(src); err != nil {
			return err
		}
		n, err := c.move(src)
		switch {
		case err == errAgain:
			if err := c.waitFor(src); err != nil {
				return err
			}
		case err != nil:
			return err
		case n == bufferSize && len(src.rest) == 0: // else what was not taken goes first
			if err := c.splice(src); err != nil {
				return err
			}
		}
	}
}

// writeRest writes what has been put back into src.
func (c *Conn) writeRest(src *Conn) error {
	for len(src.rest) > 0 {
		if err := src.may(readSide); err != nil {
			return err
		}
		rest := src.rest
		n, err := c.Write(rest[:min(len(rest), fairShare)])
		if src.rest != nil { // else closed while Write waited
			src.drop(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// move reads once, through the loop's buffer, and writes that as far as it can
// without waiting. What is left is put back.
func (c *Conn) move(src *Conn) (n int, err error) {
	if err := src.may(readSide); err != nil {
		return 0, err
	}
	if err := c.may(writeSide); err != nil {
		return 0, err
	}
	buf := c.Loop().buf[:]
	if n, err = src.recv(buf); err != nil {
		return 0, err
	}
	m, err := c.sendWith(buf[:n], c.hold(src, n))
	if m < n && c.broken == 0 && !c.shutdown {
		src.Unread(buf[m:n])
		err = nil
	}
	c.Loop().pay(m)
	return n, err
}

// hold returns the flags to write n bytes of src with. They are held back if they are the
// last ones, as far as is known: the end has been reported, and comes after all bytes.
func (c *Conn) hold(src *Conn, n int) uintptr {
	if src.ends != unix.EPOLLRDHUP || n == bufferSize || src.broken != 0 || src.urgent {
		return 0
	}
	c.held = true
	return unix.MSG_MORE
}

// waitFor waits for bytes of src that the loop cannot move by itself.
func (c *Conn) waitFor(src *Conn) error {
	l := c.Loop()
	src.link(c)
	l.startCopying(src)
	src.waitReadable()
	idle := src.quiet >= quietLooks && !src.readable && len(src.rest) == 0
	l.stopCopying(src)
	src.unlink()
	if c.closed.Load() || src.closed.Load() || c.broken != 0 {
		return nil // move says it
	}
	if idle {
		return ErrIdle
	}
	return nil
}

// pass moves one small message to the sink, in the loop itself. It reports whether
// that was all there is: else the fiber has to see to the rest.
func (c *Conn) pass() bool {
	dst := c.sink
	if c.exact || !dst.writable || dst.broken != 0 || len(c.rest) > 0 || c.closed.Load() || dst.closed.Load() || c.late(readSide) {
		return false
	}
	buf := c.Loop().buf[:]
	n, err := c.recv(buf)
	if err != nil {
		return err == errAgain
	}
	m, _ := dst.send(buf[:n])
	if m < n && dst.broken == 0 {
		c.Unread(buf[m:n])
	}
	return m == n && !c.readable
}

// startCopying has sweep look at a connection that a fiber waits for in ReadFrom.
func (l *Loop) startCopying(c *Conn) {
	l.copying = append(l.copying, c)
	c.copies = int32(len(l.copying))
	c.quiet, c.seen = -1, c.read.Load()
	l.keepSweeping()
}

func (l *Loop) stopCopying(c *Conn) {
	if c.copies == 0 {
		return
	}
	last := len(l.copying) - 1
	l.copying[c.copies-1] = l.copying[last]
	l.copying[c.copies-1].copies = c.copies
	l.copying[last] = nil
	l.copying = l.copying[:last]
	c.copies = 0
}

// sweep counts looks that saw no byte. The first one after startCopying may come
// at once, and does not count.
func (c *Conn) sweep() {
	if n := c.read.Load(); n != c.seen {
		c.seen, c.quiet = n, 0
		return
	}
	if c.quiet++; c.quiet == quietLooks {
		c.Loop().wake(c.reader)
	}
}
