package l7

// Stats are counts since the server was made, and what lives now.
type Stats struct {
	Active       int    // connections that live
	Connections  uint64 // accepted
	Retries      uint64 // further backends tried after a failed dial
	AcceptErrors uint64
	// Received and Sent are bytes from and to clients, those of live connections
	// included, but for what tunnels moved.
	Received, Sent int64
}

// Stats returns a snapshot.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := Stats{
		Active: len(s.conns), Connections: s.accepted,
		Retries: s.retries.Load(), AcceptErrors: s.failures.Load(),
		Received: s.received, Sent: s.sent,
	}
	for c := range s.conns {
		stats.Received += c.received.Load()
		stats.Sent += c.sent.Load()
	}
	return stats
}
