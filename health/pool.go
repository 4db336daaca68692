package health

import (
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
	// Balance is how the backend of a turn is chosen.
	Balance Policy
	// SlowStart is the time over which the weight of a backend grows to its full
	// size after it recovered, or joined a pool that takes traffic. Zero is at once.
	SlowStart time.Duration
	// OnTransition is called with each transition, one at a time and in their order,
	// before the method that caused it returns. It must not call the Pool's methods
	// that change it. If nil, transitions are not reported; a Reporter logs them.
	OnTransition func(Transition)

	ticket atomic.Uint64
	ring   atomic.Pointer[ring]
	salt   uint64 // keeps the draws of several instances apart

	changedc chan struct{} // wakes the checker when the list changed

	changing sync.Mutex // held by change

	mu       sync.Mutex
	roster   roster
	active   *Backend // with Single, the one that took traffic last
	unprobed bool     // all are up, those that join as well
	handover bool     // the ring may hold backends that left
}

// NewPool returns a pool of these backends, in this order. None takes traffic
// before a probe passed (Checker.CheckAll) or MarkAllUp.
func NewPool(backends ...*Backend) *Pool {
	p := &Pool{salt: rand.Uint64(), changedc: make(chan struct{}, 1)}
	p.ring.Store(newRing(nil))
	p.roster = newRoster(backends)
	return p
}

// Backends returns all backends in the order of the list, whatever their state.
func (p *Pool) Backends() []*Backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*Backend(nil), p.roster.backends...)
}

// Find returns the pool's backend at that address, or nil.
func (p *Pool) Find(addr string) *Backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.roster.find(addr)
}

// Ready reports whether at least one backend may take traffic.
func (p *Pool) Ready() bool { return len(p.ring.Load().members) > 0 }

// MarkAllUp lets every backend take traffic, and those that join later, for a
// pool without probes.
func (p *Pool) MarkAllUp() {
	p.change(func() []Transition {
		p.unprobed = true
		p.roster.markUp()
		p.publishLocked()
		return []Transition{{Kind: Started}}
	})
}

// started reports that the first states have been decided.
func (p *Pool) started() {
	p.change(func() []Transition { return []Transition{{Kind: Started}} })
}

// Replace makes these the pool's backends, in this order. An address that stays
// keeps its Backend, with its state, its counters and its connections, also with
// other options. One that leaves gets no new turns, and its connections go on. One
// that joins takes traffic when a probe of it has passed. If none that is up stays,
// those that left go on taking turns until the new ones have been probed, or, if
// there are none, have come.
func (p *Pool) Replace(specs []Spec) {
	p.change(func() []Transition {
		t, changed := p.roster.replace(specs, p.Ready())
		var ts []Transition
		if changed {
			p.handover = true
			wake(p.changedc)
			ts = append(ts, t)
		}
		if p.unprobed && p.roster.markUp() {
			changed = true
			ts = append(ts, Transition{Kind: Started})
		}
		if changed {
			p.publishLocked()
		}
		return ts
	})
}

// publishLocked publishes the ring of the backends that may take traffic now.
func (p *Pool) publishLocked() {
	backends := p.inTrafficLocked()
	if len(backends) == 0 && p.handover && p.roster.undecided() {
		return // those that left go on until one of the new is known to be up
	}
	p.handover = false
	p.ring.Store(newRing(weigh(backends, p.SlowStart, time.Now())))
}

// handingOver reports whether the backends of the previous list still take the traffic,
// because none of the present one is known to be up.
func (p *Pool) handingOver() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handover
}

// inTrafficLocked returns the backends that take traffic now: backups only if they are
// all that may, and with Single the active one alone.
func (p *Pool) inTrafficLocked() []*Backend {
	main, backups := p.roster.available()
	if p.Balance == Single {
		return p.chooseActiveLocked(append(main, backups...))
	}
	if len(main) == 0 {
		return backups
	}
	return main
}

// wake wakes the one that receives from c, which has room for one signal, unless it
// has yet to receive an earlier one.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
