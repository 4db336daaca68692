package l7

import "fourseven/health"

// CutBackend ends the requests that a backend has not fully responded to when it went
// down, and its upgraded connections, and returns how many there were. The clients get
// a 502, or, if the response had begun, a broken body.
func (s *Server) CutBackend(b *health.Backend) (n int) {
	if s.Relays != nil {
		n = s.Relays.CutBackend(b)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.cut(b) {
			n++
		}
	}
	return n
}

// cut stops the connection if its present request was sent to the backend.
func (c *conn) cut(b *health.Backend) bool {
	for {
		word, bc := c.state.word.Load(), c.backend.Load()
		if bc == nil || bc.up.backend != b || phaseOf(word) == upgraded || causeOf(word) != running {
			return false
		}
		if c.state.stopIf(word, backendDown) {
			c.interrupt()
			return true
		} // else it is in another phase by now: look again
	}
}
