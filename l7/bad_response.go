package l7

import "fourseven/l7/http1"

// logBadResponse logs what is wrong with a response, once a second at most for each rule:
// a client that has found such a response can cause it as often as it likes.
func (s *Server) logBadResponse(backend string, e *http1.ResponseError) {
	held, ok := s.malformed.Pass(e.Rule) // one of a few, unlike the field
	if !ok {
		return
	}
	args := []any{"backend", backend, "rule", e.Rule, "held_back", held}
	if e.Field != "" {
		args = append(args, "field", e.Field)
	}
	s.Logger.Warn("bad response", args...)
}
