//go:build !portable

package loop

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// ready notes the events of epoll, and wakes the waiters for them.
func (c *Conn) ready(events uint32) {
	c.ends |= uint16(events & endEvents)
	if events&unix.EPOLLERR != 0 {
		c.noteError()
	}
	if events&unix.EPOLLPRI != 0 {
		c.urgent = true
	}
	if events&(endEvents|unix.EPOLLPRI) != 0 {
		c.exact = true // an end is reported once; a read stops short at urgent data
	}
	if events&(endEvents|unix.EPOLLPRI|unix.EPOLLIN) != 0 {
		c.readable = true
	}
	if events&roomEvents != 0 {
		c.writable = true
		c.Loop().wake(c.writer)
	}
	if c.readable {
		c.tell()
	}
}

// tell wakes the waiter for bytes, unless the loop itself can move them.
func (c *Conn) tell() {
	forwards := c.sink != nil
	switch {
	case forwards && c.pass():
	case c.reader != nil:
		c.Loop().wake(c.reader)
	case c.notify != nil && (forwards || c.news()):
		c.fire() // also for an end that pass has read
	}
}

// news reports whether a Read would return something that is not known yet.
func (c *Conn) news() bool {
	if c.eof {
		return c.broken != 0
	}
	return c.readable || len(c.rest) > 0 || c.broken != 0
}

// fire starts the fiber of OnReadable or Forward.
func (c *Conn) fire() {
	fn := c.notify
	c.ignore()
	c.Loop().spawn(c, fn)
}

// ignore forgets OnReadable and Forward.
func (c *Conn) ignore() {
	c.notify = nil
	c.unlink()
}

// link makes the loop move small messages to sink.
func (c *Conn) link(sink *Conn) { c.sink, sink.source = sink, c }

func (c *Conn) unlink() {
	if c.sink != nil {
		c.sink.source, c.sink = nil, nil
	}
}

// OnReadable starts fn as a fiber, once, when there is something to read: bytes,
// the end of the stream, an error, a deadline that has passed, or Close. After the
// end of the stream has been read, that is only an error or Close. It returns at
// once, also if there is something already. A later OnReadable, Forward or Read
// takes its place; nil only forgets.
//
// A connection that waits in this way holds no fiber and no buffer.
func (c *Conn) OnReadable(fn func()) { c.await(nil, fn) }

// Forward is OnReadable, but until then the loop itself moves small messages to dst. It
// starts fn when that is not enough: for bulk, for messages that dst does not take, the
// end of the stream, an error of either, or Close of either. dst must be of the same
// loop, and must not be written to by others until then.
func (c *Conn) Forward(dst *Conn, fn func()) { c.await(dst, fn) }

func (c *Conn) await(dst *Conn, fn func()) {
	c.ignore()
	if fn == nil {
		return
	}
	c.notify = fn
	c.register()
	c.probe()
	if c.closed.Load() || c.news() || c.late(readSide) {
		c.fire()
		return
	}
	if dst != nil {
		if dst.closed.Load() {
			c.fire()
			return
		}
		c.link(dst)
	}
	c.arm()
}

// probe finds out whether there is something to read, if that is not known: the
// last read may have emptied the socket by filling its buffer.
func (c *Conn) probe() {
	if !c.readable || c.eof || c.closed.Load() {
		return
	}
	var one [1]byte
	if _, errno := peek(c.fd, one[:]); errno == unix.EAGAIN {
		c.readable = false
	}
}

// register has epoll report on the connection. That is put off until something has
// to be waited for: what has arrived by then is reported at once.
func (c *Conn) register() {
	if !c.registered && !c.closed.Load() && c.fd >= 0 {
		c.registered = c.watch(unix.EPOLL_CTL_ADD)
	}
}

// full notes that a write would wait, and has epoll report when it would not.
func (c *Conn) full() {
	c.writable = false
	if c.registered && !c.roomAsked {
		c.watch(unix.EPOLL_CTL_MOD)
	}
}

// watch reports whether epoll has taken the connection.
func (c *Conn) watch(op int) bool {
	l := c.Loop()
	e := unix.EpollEvent{Events: connEvents, Fd: c.slot, Pad: l.conns.generation(c)}
	if !c.writable {
		e.Events |= unix.EPOLLOUT
		c.roomAsked = true
	}
	if err := l.control(op, c.fd, &e); err != nil {
		c.fail(err.(syscall.Errno))
		return false
	}
	return true
}
