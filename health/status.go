package health

import (
	"errors"
	"time"
)

// Status is what the probes of a backend found: an immutable snapshot.
type Status struct {
	// State is up or down, or unknown before the first probe.
	State State
	// Since is when State last changed.
	Since time.Time
	// Streak counts the latest consecutive probes that contradict State.
	Streak int
	// ProbedAt, Latency and Err describe the latest probe. Err is nil if it passed.
	ProbedAt time.Time
	Latency  time.Duration
	Err      error
}

// State is what the probes of a backend found it to be.
type State uint8

// The states of a backend.
const (
	Unknown State = iota
	Up
	Down
)

// String returns the state's word as logs have it.
func (s State) String() string {
	return [...]string{"unknown", "up", "down"}[s]
}

// CheckResult is the result of a probe.
type CheckResult uint8

// The results of a probe. CheckLocal is a failure of this machine, which does not
// count against the backend.
const (
	CheckPassed CheckResult = iota
	CheckFailed
	CheckLocal
	numCheckResults
)

// CheckResults are all results of a probe.
var CheckResults = [numCheckResults]CheckResult{CheckPassed, CheckFailed, CheckLocal}

// String returns the result's word as metrics have it.
func (r CheckResult) String() string { return [...]string{"passed", "failed", "local"}[r] }

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

// after returns the status after a probe: a state changes after rise or fall
// consecutive contradictions, and an unknown one at once.
func (s Status) after(r result, rise, fall int) Status {
	s.ProbedAt, s.Latency, s.Err = r.started, r.latency, r.err
	want, needed := Up, rise
	switch checkResult(r.err) {
	case CheckLocal:
		return s
	case CheckFailed:
		want, needed = Down, fall
	}
	switch {
	case want == s.State:
		s.Streak = 0
	case s.State == Unknown || s.Streak+1 >= needed:
		s.State, s.Since, s.Streak = want, time.Now(), 0
	default:
		s.Streak++
	}
	return s
}
