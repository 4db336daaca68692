package l4

// Stats are counts since the server was made, and what lives now.
type Stats struct {
	Active       int    // connections that live
	Connections  uint64 // accepted
	Retries      uint64 // further backends tried after a failed dial
	AcceptErrors uint64
	// Received and Sent are bytes from and to clients, those of live connections
	// included.
	Received, Sent int64
}

// Active returns how many connections live.
func (s *Server) Active() int { return int(s.active.Load()) }

// Stats returns a snapshot.
func (s *Server) Stats() Stats {
	stats := Stats{
		Active: s.Active(), Connections: s.accepted.Load(),
		Retries: s.retries.Load(), AcceptErrors: s.failures.Load(),
	}
	stats.Received, stats.Sent = s.Relays.Bytes()
	return stats
}
