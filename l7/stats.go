package l7

import "fourseven/l4"

// Stats returns a snapshot. Bytes of upgraded connections are included.
func (s *Server) Stats() l4.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := l4.Stats{
		Active: len(s.conns), Connections: s.accepted,
		Retries: s.retries.Load(), AcceptErrors: s.failures.Load(),
		Received: s.received, Sent: s.sent,
	}
	if s.Relays != nil {
		received, sent := s.Relays.Bytes()
		stats.Received += received
		stats.Sent += sent
	}
	for c := range s.conns {
		stats.Received += c.received.Load()
		stats.Sent += c.sent.Load()
	}
	return stats
}
