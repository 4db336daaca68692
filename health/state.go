package health

import (
	"errors"
	"time"
)

// unsteadyAfter is how many times a backend's probes contradict its state and
// then confirm it again, before one line in the log says so.
const unsteadyAfter = 3

// CheckResult says how a probe went.
type CheckResult uint8

// The results of a probe. CheckLocal is a failure of this machine, which says
// nothing about the backend.
const (
	CheckPassed CheckResult = iota
	CheckFailed
	CheckLocal
	numCheckResults
)

// CheckResults are all results of a probe.
var CheckResults = [numCheckResults]CheckResult{CheckPassed, CheckFailed, CheckLocal}

// String returns the result's word as it stands in metrics.
func (r CheckResult) String() string { return [...]string{"passed", "failed", "local"}[r] }

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
	for _, b := range p.recordAll(rise, fall, results) {
		if p.OnDown != nil {
			p.OnDown(b)
		}
	}
}

// recordAll returns the backends that were up and are down.
func (p *Pool) recordAll(rise, fall int, results []result) (fallen []*Backend) {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed, tell := false, false
	for _, r := range results {
		if !r.backend.member {
			continue
		}
		up := r.backend.Up()
		turned := p.recordLocked(r, rise, fall)
		tell = p.tellLocked(r.backend, turned) || tell
		changed = changed || turned
		if turned && up {
			fallen = append(fallen, r.backend)
		}
	}
	if changed {
		p.layOutLocked()
	}
	if tell {
		p.nameLocked()
	}
	return fallen
}

// recordLocked reports whether the backend's state changed.
func (p *Pool) recordLocked(r result, rise, fall int) bool {
	b, s := r.backend, r.backend.Status()
	s.ProbedAt, s.Latency, s.Err = r.started, r.latency, r.err
	outcome := checkResult(r.err)
	b.checks[outcome].Add(1)
	if outcome == CheckLocal {
		if b.Status().Err == nil && p.Logger != nil && b.telling.may() {
			p.Logger.Warn("probe failed on this machine", "backend", b.Addr, "state", s.State.String(), "err", r.err)
		}
		b.status.Store(&s) // this machine's failure: not the backend's
		return false
	}
	want, needed := Up, rise
	if r.err != nil {
		want, needed, b.lastErr = Down, fall, r.err
	}
	changed := false
	switch {
	case want == s.State:
		if s.Streak > 0 {
			p.waveredLocked(b, s.State)
		}
		s.Streak = 0
	case s.State == Unknown || s.Streak+1 >= needed:
		p.turnLocked(b, s.State, want)
		s.State, s.Since, s.Streak = want, time.Now(), 0
		changed = true
	default:
		s.Streak++
	}
	b.status.Store(&s)
	return changed
}

func checkResult(err error) CheckResult {
	var dial *DialError
	switch {
	case err == nil:
		return CheckPassed
	case errors.As(err, &dial) && dial.Reason.Local():
		return CheckLocal
	}
	return CheckFailed
}

// turnLocked prepares the backend for another state.
func (p *Pool) turnLocked(b *Backend, from, to State) {
	if b.wavered = 0; from != Unknown {
		b.changes.Add(1)
	}
	b.recovered = time.Time{}
	if to == Up && p.SlowStart > 0 && (from == Down || b.late) {
		b.recovered = time.Now()
	}
}

// waveredLocked says once in a while that a backend's probes alternate: between
// two changes of its state.
func (p *Pool) waveredLocked(b *Backend, state State) {
	b.wavered++
	if b.wavered == unsteadyAfter && p.Logger != nil && b.telling.may() {
		p.Logger.Warn("backend unsteady", "backend", b.Addr, "state", state.String(), "err", b.lastErr)
	}
}
