package l4

import (
	"time"
)

// List considers the open connections for the list. Those that are being connected to a
// backend are not among them. It asks the loops, and lets their other fibers go first now and
// then, so that it holds up none. It must not be called concurrently.
func (s *Server) List(list *OpenConns) {
	i := 0
	s.Relays.each(func(set *relaySet) {
		set.list(i, list)
		i++
	})
}

func (s *relaySet) list(index int, list *OpenConns) {
	now := time.Now()
	s.walk(func(p *place) bool {
		if r := p.relay; r.ses != nil {
			c := r.describe(index)
			c.Rate = s.listing.Rate(&c, r.listed, now)
			r.listed = c.Received + c.Sent
			list.Consider(&c)
		}
		return true
	})
	s.listing.Done(now)
}

// describe returns what a list has of the relay of a session, in the loop with that index.
func (r *relay) describe(index int) OpenConn {
	c := OpenConn{
		Loop: index, Number: r.number, Client: r.ses.visitor.Client, Backend: r.of.Addr, State: "open",
		Began: r.ses.began, Received: r.received(), Sent: r.sent(),
	}
	if r.half() {
		c.State = "half closed"
	}
	return c
}

// CloseConn resets one connection, by the Loop and Number of an OpenConn, and returns its
// description. It ends with OperatorClose. It reports false if no such connection is
// open.
func (s *Server) CloseConn(index int, number uint64) (closed OpenConn, ok bool) {
	i := 0
	s.Relays.each(func(set *relaySet) {
		if i++; i-1 != index {
			return
		}
		set.walk(func(p *place) bool {
			r := p.relay
			if ok = r.ses != nil && r.number == number; ok {
				closed = r.describe(index)
				r.end(OperatorClose)
			}
			return !ok
		})
	})
	return closed, ok
}

// CloseRelay resets the relay of a client's connection, in a fiber of its loop. It ends with
// OperatorClose.
func (rs *Relays) CloseRelay(client Conn) {
	rs.setOf(client.Loop()).walk(func(p *place) bool {
		if p.relay.client.Conn != client {
			return true
		}
		p.relay.end(OperatorClose)
		return false
	})
}
