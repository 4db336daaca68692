package l4

// Stats are a frontend's counts since its server was made, and how many
// connections are open now.
type Stats struct {
	Active       int    // open connections
	Connections  uint64 // accepted
	Retries      uint64 // further backends tried after a failed dial
	AcceptErrors uint64
	// Received and Sent are bytes from and to clients, those of open connections
	// included.
	Received, Sent int64
}

// Plus returns the sum of two.
func (s Stats) Plus(other Stats) Stats {
	return Stats{
		Active:       s.Active + other.Active,
		Connections:  s.Connections + other.Connections,
		Retries:      s.Retries + other.Retries,
		AcceptErrors: s.AcceptErrors + other.AcceptErrors,
		Received:     s.Received + other.Received,
		Sent:         s.Sent + other.Sent,
	}
}

// Active returns how many connections are open.
func (s *Server) Active() int { return int(s.active.Load()) }

// Stats returns a snapshot.
func (s *Server) Stats() Stats {
	stats := s.counts()
	stats.Received, stats.Sent = s.Relays.Bytes()
	return stats
}

// RecentStats is Stats at a cost that does not grow with the open connections: their bytes
// may be a few seconds old.
func (s *Server) RecentStats() Stats {
	stats := s.counts()
	stats.Received, stats.Sent = s.Relays.RecentBytes()
	return stats
}

// counts returns a snapshot without bytes.
func (s *Server) counts() Stats {
	return Stats{
		Active: s.Active(), Connections: s.accepted.Load(),
		Retries: s.retries.Load(), AcceptErrors: s.failures.Load(),
	}
}
