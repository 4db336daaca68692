package l7

import "fourseven/l4"

// Stats returns a snapshot. Bytes of upgraded connections are included. It must not be
// called by Served or Ended.
func (s *Server) Stats() l4.Stats { return s.stats((*l4.Relays).Bytes) }

// RecentStats is Stats at a cost that does not grow with the connections that are idle or
// upgraded: bytes of the latter may be a few seconds old.
func (s *Server) RecentStats() l4.Stats { return s.stats((*l4.Relays).RecentBytes) }

func (s *Server) stats(upgraded func(*l4.Relays) (received, sent int64)) l4.Stats {
	stats := l4.Stats{Retries: s.retries.Load(), AcceptErrors: s.failures.Load()}
	s.each(func(l *ofLoop) {
		stats.Active += l.conns()
		stats.Connections += l.accepted
		l.busy.each((*conn).account)
		stats.Received += l.received
		stats.Sent += l.sent
	})
	if s.Relays != nil {
		received, sent := upgraded(s.Relays)
		stats.Received += received
		stats.Sent += sent
	}
	return stats
}

// moved are bytes from and to a client.
type moved struct{ received, sent int64 }

// account adds to the loop's counts what the connection has moved since the last call. It is
// called before the connection leaves the queue of the busy ones: bytes move in no other.
func (c *conn) account() {
	now := moved{c.received.Load(), c.sent.Load()}
	c.loop.received += now.received - c.accounted.received
	c.loop.sent += now.sent - c.accounted.sent
	c.accounted = now
}
