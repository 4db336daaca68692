package l7

import "fourseven/l4"

// Stats returns a snapshot. Bytes of upgraded connections are included. It must not be
// called by Served or Ended.
func (s *Server) Stats() l4.Stats {
	stats := l4.Stats{Retries: s.retries.Load(), AcceptErrors: s.failures.Load()}
	s.each(func(l *ofLoop) {
		stats.Active += l.conns()
		stats.Connections += l.accepted
		stats.Received += l.received
		stats.Sent += l.sent
		for _, q := range l.queues() {
			q.each(func(c *conn) {
				stats.Received += c.received.Load()
				stats.Sent += c.sent.Load()
			})
		}
	})
	if s.Relays != nil {
		received, sent := s.Relays.Bytes()
		stats.Received += received
		stats.Sent += sent
	}
	return stats
}
