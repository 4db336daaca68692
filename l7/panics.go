package l7

import (
	"log/slog"
	"runtime/debug"
	"sync"

	"fourseven/health"
)

// panics tells of panics, now and then: a client that has found one can cause it
// as often as it likes. The zero value is ready.
type panics struct {
	mu   sync.Mutex
	said health.Throttle
}

// tell logs a panic with its stack, unless one has just been logged. It is called
// from the function that recovered.
func (p *panics) tell(log *slog.Logger, v any) {
	if held, ok := p.pass(); ok {
		log.Error("panic while serving a request", "panic", v, "held_back", held, "stack", string(debug.Stack()))
	}
}

func (p *panics) pass() (held int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said.Pass("panic") // of one kind, whatever its value
}
