package l4

import "io"

// OnReadable starts fn as a fiber, once, when there is something to read, as that of a
// loop.Conn; also when only a part of a record has arrived. A connection that waits in
// this way holds no fiber, and no buffer but for that part.
func (c *TLSConn) OnReadable(fn func()) {
	c.watch++
	c.waits = fn != nil
	if fn == nil {
		c.raw.OnReadable(nil)
		return
	}
	c.lookAhead()
	c.wire.release()
	switch {
	case len(c.unread) > 0 || c.whole || c.broken != nil && !c.ended || c.closed.Load():
		watch := c.watch
		c.Go(func() {
			if watch == c.watch {
				fn()
			}
		})
	case c.ended && !c.gone:
		c.raw.OnReadable(func() { c.discard(fn) })
	default:
		c.raw.OnReadable(fn)
	}
}

// lookAhead finds out whether there is something that was received before.
func (c *TLSConn) lookAhead() {
	if !c.whole || len(c.unread) > 0 || c.closed.Load() {
		return
	}
	var one [1]byte
	if n, err := c.records(one[:]); n > 0 {
		c.read.Add(1)
		c.unread = []byte{one[0]}
	} else if err == io.EOF {
		c.ended, c.whole = false, true // the next read gets it again
	}
}

// discard drops what comes behind close_notify, and then waits for a break.
func (c *TLSConn) discard(fn func()) {
	buf := wireBuffers.Get().(*[wireRead + recordMax]byte)
	_, err := c.raw.TryRead(buf[:])
	wireBuffers.Put(buf)
	if c.gone = err == io.EOF; err != nil && !c.gone {
		fn()
		return
	}
	c.OnReadable(fn)
}

// Quiet reports whether the connection is open and there is nothing to read. Messages of
// TLS itself, such as a session ticket, do not count, unless a function of OnReadable
// waits.
func (c *TLSConn) Quiet() bool {
	if c.closed.Load() || c.ended || c.broken != nil || len(c.unread) > 0 {
		return false
	}
	if !c.whole && c.raw.Quiet() {
		return true
	}
	if c.waits {
		return false
	}
	var one [1]byte
	n, err := c.decrypt(one[:])
	if n > 0 {
		c.read.Add(1)
		c.Unread(one[:])
	}
	return n == 0 && err == nil
}
