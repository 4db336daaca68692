package l7

import "fourseven/health"

// CutBackend ends the requests that a backend has not fully responded to when it went
// down, and its upgraded connections, and returns how many there were. The clients get
// a 502, or, if the response had begun, a broken body.
func (s *Server) CutBackend(b *health.Backend) (n int) {
	if s.Relays != nil {
		n = s.Relays.CutBackend(b)
	}
	s.each(func(l *ofLoop) {
		l.busy.each(func(c *conn) {
			if c.backend != nil && c.backend.up.backend == b && c.stop(backendDown) {
				c.interrupt()
				n++
			}
		})
	})
	return n
}
