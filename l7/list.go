package l7

import (
	"time"

	"fourseven/l4"
)

// breathe is how many connections a list looks at before it lets other fibers go first.
const breathe = 1024

// List considers the open connections for the list. It asks the loops, and lets their other
// fibers go first now and then, so that it holds up none. It must not be called concurrently.
func (s *Server) List(list *l4.OpenConns) {
	s.each(func(l *ofLoop) {
		now := time.Now()
		l.walk(func(c *conn) bool {
			open := c.describe()
			open.Rate = l.listing.Rate(&open, c.listed, now)
			c.listed = open.Received + open.Sent
			list.Consider(&open)
			return true
		})
		l.listing.Done(now)
	})
}

// walk calls a function with each connection until it returns false. Other fibers go
// first now and then: a connection may be met twice, and one that begins during the walk
// is not met.
func (l *ofLoop) walk(do func(*conn) bool) {
	for i := len(l.open) - 1; i >= 0; i = min(i, len(l.open)) - 1 {
		if !do(l.open[i]) {
			return
		}
		if i%breathe == breathe-1 {
			l.Yield()
		}
	}
}

// add puts the connection among the loop's open ones.
func (l *ofLoop) add(c *conn) {
	l.numbered++
	c.number, c.place = l.numbered, len(l.open)
	l.open = append(l.open, c)
}

// remove takes it out. The last one takes its place.
func (l *ofLoop) remove(c *conn) {
	last := len(l.open) - 1
	l.open[c.place] = l.open[last]
	l.open[c.place].place = c.place
	l.open[last] = nil
	l.open = l.open[:last]
}

func (c *conn) describe() l4.OpenConn {
	open := l4.OpenConn{
		Loop: c.loop.index, Number: c.number, Client: c.visitor.Client, State: c.phase.String(), Began: c.began,
		Received: c.nc.BytesRead(), Sent: c.nc.BytesWritten(),
	}
	switch {
	case c.ex != nil && c.ex.backend.backend != nil:
		open.Backend = c.ex.backend.backend.Addr
	case c.stopped != running:
		open.State = "closing"
	}
	return open
}

// String returns the phase in words.
func (p phase) String() string {
	return [...]string{"new", "idle", "reading a request", "waiting for the backend", "responding", "upgraded"}[p]
}

// CloseConn resets one connection, by the Loop and Number of an l4.OpenConn, and returns its
// description. It ends with OperatorClose. It reports false if no such connection is open.
func (s *Server) CloseConn(index int, number uint64) (closed l4.OpenConn, ok bool) {
	all := s.all()
	if index < 0 || index >= len(all) {
		return closed, false
	}
	all[index].call(func() {
		all[index].walk(func(c *conn) bool {
			if ok = c.number == number; ok {
				closed = c.describe()
				c.closeByOperator()
			}
			return !ok
		})
	})
	return closed, ok
}

// closeByOperator resets the connection, in its loop.
func (c *conn) closeByOperator() {
	if c.phase == upgraded && c.resting {
		c.srv.Relays.CloseRelay(c.nc)
		return
	}
	c.stop(byOperator)
	c.reset()
}
