package health

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Pool holds the backends and the one ticket counter that all frontends share.
// Turns are drawn without a lock; a change of a backend's state builds a new
// ring under a mutex and publishes it.
type Pool struct {
	// Logger takes the changes of state. If nil, they are not logged.
	// It must be set before the Pool is used.
	Logger *slog.Logger

	ticket atomic.Uint64
	ring   atomic.Pointer[ring]

	mu       sync.Mutex
	backends []*Backend // in the order of the list
}

// NewPool returns a pool of these backends, in this order. None takes traffic
// before a probe passed (Checker.CheckAll) or MarkAllUp.
func NewPool(backends ...*Backend) *Pool {
	p := &Pool{backends: backends}
	p.ring.Store(&ring{})
	return p
}

// Backends returns all backends in the order of the list, whatever their state.
func (p *Pool) Backends() []*Backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*Backend(nil), p.backends...)
}

// Ready reports whether at least one backend may take traffic.
func (p *Pool) Ready() bool { return len(*p.ring.Load()) > 0 }

// Turn returns the turn of one connection or request. It draws its ticket at
// the first Next.
func (p *Pool) Turn() Turn { return Turn{pool: p} }

// Turn is one connection's or request's turn among the backends. It belongs to
// one goroutine.
type Turn struct {
	pool   *Pool
	ticket uint64
	last   *Backend
	tried  []*Backend // those before last, and those passed over
}

// Next returns the backend whose turn it is; called again, another one that was
// not tried in this turn, without a second ticket. It passes over backends that
// have all the connections they may have. It returns nil when there is none
// (left). It never blocks, and the first call allocates only to pass over one.
// The caller must call Release on the result exactly once.
func (t *Turn) Next() *Backend {
	r := *t.pool.ring.Load()
	if len(r) == 0 {
		return nil
	}
	b := t.first(r)
	for b != nil && !b.acquire() {
		t.tried = append(t.tried, b)
		b = r.other(t.ticket, t.tried)
	}
	if b != nil {
		t.last = b
	}
	return b
}

// first returns the candidate that comes first: the ticket's, or after a try
// another.
func (t *Turn) first(r ring) *Backend {
	if t.last == nil {
		t.ticket = t.pool.ticket.Add(1) - 1
		return r.at(t.ticket)
	}
	t.tried = append(t.tried, t.last)
	return r.other(t.ticket, t.tried)
}

// Tried reports whether Next has returned a backend.
func (t *Turn) Tried() bool { return t.last != nil }

// Last returns the backend that Next returned last, or nil.
func (t *Turn) Last() *Backend { return t.last }

// MarkAllUp lets every backend take traffic, for a pool without probes.
func (p *Pool) MarkAllUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.backends {
		b.status.Store(&Status{State: Up, Since: time.Now()})
	}
	p.publishLocked()
}

// result is the outcome of one probe.
type result struct {
	backend *Backend
	err     error
	started time.Time
	latency time.Duration
}

// record takes the outcomes of probes. A backend changes its state after rise or
// fall consecutive contradictions, and an unknown one at once. The ring is
// published once, after all of them.
func (p *Pool) record(rise, fall int, results ...result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed := false
	for _, r := range results {
		if p.recordLocked(r, rise, fall) {
			changed = true
		}
	}
	if changed {
		p.publishLocked()
	}
}

// recordLocked reports whether the backend's state changed.
func (p *Pool) recordLocked(r result, rise, fall int) bool {
	s := r.backend.Status()
	s.ProbedAt, s.Latency, s.Err = r.started, r.latency, r.err
	var dial *DialError
	if errors.As(r.err, &dial) && dial.Reason.Local() {
		r.backend.status.Store(&s) // this machine's failure: not the backend's
		return false
	}
	want, needed := Up, rise
	if r.err != nil {
		want, needed = Down, fall
	}
	changed := false
	switch {
	case want == s.State:
		s.Streak = 0
	case s.State == Unknown || s.Streak+1 >= needed:
		s.State, s.Since, s.Streak = want, time.Now(), 0
		changed = true
	default:
		s.Streak++
	}
	r.backend.status.Store(&s)
	if changed {
		p.logChange(r.backend.Addr, s)
	}
	return changed
}

func (p *Pool) logChange(addr string, s Status) {
	if p.Logger == nil {
		return
	}
	attrs := []any{"backend", addr, "latency", s.Latency.Round(time.Microsecond)}
	if s.Err != nil {
		attrs = append(attrs, "err", s.Err)
	}
	p.Logger.Info("backend "+s.State.String(), attrs...)
}

// publishLocked builds the ring of the backends that are up.
func (p *Pool) publishLocked() {
	var up []*Backend
	var names []string
	for _, b := range p.backends {
		if b.Status().State == Up {
			up = append(up, b)
			names = append(names, b.Addr)
		}
	}
	r := newRing(up)
	p.ring.Store(&r)
	if p.Logger != nil {
		p.Logger.Info("healthy set", "up", len(up), "of", len(p.backends), "backends", strings.Join(names, ","))
	}
}
