package l7

import "runtime/debug"

// logPanic logs a panic with its stack, once a second at most: a client that has found
// one can cause it as often as it likes. It is called from the function that recovered.
func (s *Server) logPanic(v any) {
	if held, ok := s.panics.Pass("panic"); ok { // of one kind, whatever its value
		s.Logger.Error("panic while serving a request", "panic", v, "held_back", held, "stack", string(debug.Stack()))
	}
}
