package health

import "time"

// Transition is one event in a Pool, as Pool.OnTransition receives it.
type Transition struct {
	Kind TransitionKind
	// Backend is the backend of the event; nil with Started and ListChanged.
	Backend *Backend

	// Was and Now are the backend's status before and after a probe, and Result is
	// the probe's. They are equal in State after most probes.
	Was, Now Status
	Result   CheckResult
	// WasActive is the backend that took all traffic before, or nil, and Backend the
	// one that does now.
	WasActive *Backend
	// Mode and WasMode are the mode that the operator set, and the one before.
	Mode, WasMode Mode
	// Weight and WasWeight are the weight that the operator set, and the one before.
	Weight, WasWeight int
	// Added and Removed are addresses, and Altered entries with their new options.
	Added, Removed, Altered []string

	// WentDown reports that a backend that was not down is down or a standby now, by
	// its probes or by the operator.
	WentDown bool
	// Last reports that no other transition of the same change follows.
	Last bool
}

// TransitionKind is the kind of an event.
type TransitionKind uint8

// The kinds of transitions.
const (
	Started       TransitionKind = iota // the first state of the backends was decided
	Probed                              // a probe of Backend ended
	ModeChanged                         // the operator changed Backend's mode
	WeightChanged                       // the operator changed Backend's weight
	ListChanged                         // the pool has another list of backends
	ActiveChanged                       // with Single, Backend takes all traffic from now on
)

// change makes a change of the pool with mu held, and passes what it returns to
// OnTransition afterwards. Changes come one at a time, so the transitions are in
// order; and mu is free again by then, so OnTransition may read from the pool.
func (p *Pool) change(f func() []Transition) {
	p.changing.Lock()
	defer p.changing.Unlock()
	ts := p.locked(f)
	if p.OnTransition == nil {
		return
	}
	for i, t := range ts {
		t.Last = i == len(ts)-1
		p.OnTransition(t)
	}
}

func (p *Pool) locked(f func() []Transition) []Transition {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.active
	ts := f()
	if p.active != was {
		ts = append(ts, Transition{Kind: ActiveChanged, Backend: p.active, WasActive: was})
	}
	return ts
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
	p.change(func() []Transition {
		var ts []Transition
		changed := false
		for _, r := range results {
			if !r.backend.listed {
				continue
			}
			t := r.backend.probed(r, rise, fall)
			if t.Was.State != t.Now.State {
				r.backend.turned(t.Was.State, p.SlowStart > 0)
				changed = true
			}
			ts = append(ts, t)
		}
		if changed {
			p.publishLocked()
		}
		return ts
	})
}

// probed takes the outcome of a probe. It is called with Pool.mu held.
func (b *Backend) probed(r result, rise, fall int) Transition {
	t := Transition{Kind: Probed, Backend: b, Was: b.Status(), Result: checkResult(r.err)}
	wasUp := b.Up()
	now := t.Was.after(r, rise, fall)
	b.status.Store(&now)
	b.checks[t.Result].Add(1)
	t.Now = now
	t.WentDown = wasUp && !b.Up()
	return t
}

// turned follows a change of the backend's state by its probes. It is called with
// Pool.mu held.
func (b *Backend) turned(from State, slowly bool) {
	if from != Unknown {
		b.changes.Add(1)
	}
	b.recovered = time.Time{}
	if slowly && b.Status().State == Up && (from == Down || from == Standby || b.late) {
		b.recovered = time.Now()
	}
}
