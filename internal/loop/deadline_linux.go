//go:build !portable

package loop

import (
	"sync/atomic"
	"time"
)

// side is one of the two directions of a Conn.
type side uint8

const (
	readSide side = iota
	writeSide
)

func (s side) op() string { return [...]string{"read", "write"}[s] }

// deadlines are those of a Conn that has had one. The times may be set by any
// goroutine; the timers belong to the loop.
type deadlines [2]deadline

// deadline has a timer only while something waits, and leaves it alone when the
// time is put off: it then finds out when it fires.
type deadline struct {
	at    atomic.Int64 // by the loops' clock; 0 is none
	armed atomic.Int64 // when the timer fires; 0 is never
	timer timer
}

// SetDeadline sets both deadlines. Any goroutine may call it.
func (c *Conn) SetDeadline(t time.Time) error {
	c.setDeadline(readSide, t)
	c.setDeadline(writeSide, t)
	return nil
}

// SetReadDeadline sets the time from which on Read, and ReadFrom of another Conn,
// return os.ErrDeadlineExceeded; zero is never. Any goroutine may call it.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.setDeadline(readSide, t)
	return nil
}

// SetWriteDeadline sets the time from which on Write and ReadFrom return
// os.ErrDeadlineExceeded; zero is never. Any goroutine may call it.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.setDeadline(writeSide, t)
	return nil
}

func (c *Conn) setDeadline(s side, t time.Time) {
	ds := c.deadlines.Load()
	if ds == nil {
		if t.IsZero() {
			return
		}
		c.deadlines.CompareAndSwap(nil, new(deadlines))
		ds = c.deadlines.Load()
	}
	d := &ds[s]
	at := clock(t)
	d.at.Store(at)
	// The loop clears armed before it reads at: it sees this one, or we see that.
	if armed := d.armed.Load(); at != 0 && (armed == 0 || at < armed) {
		c.Loop().queue.post(op{kind: opArm, conn: c})
	}
}

// late reports whether the deadline has passed.
func (c *Conn) late(s side) bool {
	ds := c.deadlines.Load()
	if ds == nil {
		return false
	}
	at := ds[s].at.Load()
	return at != 0 && at <= now()
}

// arm sets the timers of what waits. It is called before waiting, and when a
// deadline is set that may be earlier than the timer.
func (c *Conn) arm() {
	ds := c.deadlines.Load()
	if ds == nil || c.slot == noSlot {
		return
	}
	c.armSide(&ds[readSide], readSide)
	c.armSide(&ds[writeSide], writeSide)
}

func (c *Conn) armSide(d *deadline, s side) {
	at := d.at.Load()
	if at == 0 || d.timer.set() && d.timer.when <= at {
		return
	}
	if d.timer.fire == nil {
		d.timer.fire = func() { c.expire(d, s) }
	}
	d.armed.Store(at)
	c.Loop().timers.set(&d.timer, at)
}

// expire is called when a deadline's timer fires.
func (c *Conn) expire(d *deadline, s side) {
	d.armed.Store(0)
	if at := d.at.Load(); at == 0 {
		return
	}
	if !c.late(s) {
		c.armSide(d, s)
		return
	}
	l := c.Loop()
	if s == writeSide {
		l.wake(c.writer)
		return
	}
	l.wake(c.reader)
	if c.reader == nil && c.notify != nil {
		c.fire()
	}
}

// disarm unsets the timers.
func (c *Conn) disarm() {
	ds := c.deadlines.Load()
	if ds == nil {
		return
	}
	for i := range ds {
		c.Loop().timers.unset(&ds[i].timer)
		ds[i].armed.Store(0)
	}
}
