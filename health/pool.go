package health

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Pool holds the backends and the one ticket counter that all frontends share.
// Turns are drawn without a lock; a change of a backend's state, or of the list,
// builds a new ring under a mutex and publishes it. Its exported fields are set
// before it is used.
type Pool struct {
	// Balance says how the backend of a turn is chosen.
	Balance Policy
	// SlowStart is the time over which the weight of a backend grows to its full
	// size after it recovered, or joined a pool that takes traffic. Zero is at once.
	SlowStart time.Duration
	// OnDown is called when a backend that was up is found to be down, or put down
	// by the operator. If nil,
	// nothing is. It must not call the Pool's methods that change it.
	OnDown func(*Backend)
	// Logger takes the changes of state. If nil, they are not logged.
	Logger *slog.Logger

	ticket atomic.Uint64
	ring   atomic.Pointer[ring]
	salt   uint64 // keeps the draws of several instances apart

	changedc chan struct{} // tells the checker that the list changed

	mu       sync.Mutex
	backends []*Backend // in the order of the list
	departed map[string]*Backend
	unprobed bool   // all are up, those that join as well
	handover bool   // the ring may hold backends that left
	named    string // the healthy set that was logged last
}

// NewPool returns a pool of these backends, in this order. None takes traffic
// before a probe passed (Checker.CheckAll) or MarkAllUp.
func NewPool(backends ...*Backend) *Pool {
	p := &Pool{salt: rand.Uint64(), changedc: make(chan struct{}, 1), departed: map[string]*Backend{}}
	p.ring.Store(newRing(nil))
	for _, b := range backends {
		b.member = true
	}
	p.backends = backends
	return p
}

// Backends returns all backends in the order of the list, whatever their state.
func (p *Pool) Backends() []*Backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*Backend(nil), p.backends...)
}

// Ready reports whether at least one backend may take traffic.
func (p *Pool) Ready() bool { return len(p.ring.Load().members) > 0 }

// MarkAllUp lets every backend take traffic, and those that join later, for a
// pool without probes.
func (p *Pool) MarkAllUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unprobed = true
	p.markUpLocked()
	p.publishLocked()
}

func (p *Pool) markUpLocked() {
	for _, b := range p.backends {
		if b.Status().State != Up {
			b.status.Store(&Status{State: Up, Since: time.Now()})
		}
	}
}

// publishLocked lays out a new ring after a change, and says which backends are
// up.
func (p *Pool) publishLocked() {
	p.layOutLocked()
	p.nameLocked()
}

// name says which backends are up, if that has not been said.
func (p *Pool) name() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nameLocked()
}

func (p *Pool) nameLocked() {
	if p.Logger == nil {
		return
	}
	var up []string
	for _, b := range p.backends {
		if b.takesTraffic() {
			up = append(up, b.Addr)
		}
	}
	set := fmt.Sprintf("%q of %d", up, len(p.backends))
	if set == p.named {
		return // where many that join turn out to be down, it is long, and the same each time
	}
	p.named = set
	p.Logger.Info("healthy set", "up", len(up), "of", len(p.backends), "backends", list(up))
}

// layOutLocked builds the ring of the backends that are up. Backups come in when
// they are all that is up, and else as its spare.
func (p *Pool) layOutLocked() {
	var main, spare []*Backend
	unknown := false
	for _, b := range p.backends {
		unknown = unknown || b.Status().State == Unknown
		switch {
		case !b.takesTraffic():
		case b.Backup:
			spare = append(spare, b)
		default:
			main = append(main, b)
		}
	}
	if len(main) == 0 {
		main, spare = spare, nil
	}
	// A list that stands for nothing yet holds names that have not been found.
	if unknown = unknown || len(p.backends) == 0; unknown && len(main) == 0 && p.handover {
		return // those that left go on until one of the new is known to be up
	}
	p.handover = false
	r := newRing(p.weighLocked(main))
	if len(spare) > 0 {
		r.spare = newRing(p.weighLocked(spare))
	}
	p.ring.Store(r)
}
