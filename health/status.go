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
	// Streak counts the latest consecutive probes that contradict State in the same way.
	Streak int
	// ProbedAt, Latency and Err describe the latest probe. Err is nil if it passed.
	ProbedAt time.Time
	Latency  time.Duration
	Err      error

	toward State // what the probes of Streak lead to
}

// State is what the probes of a backend found it to be.
type State uint8

// The states of a backend.
const (
	Unknown State = iota
	Up
	Down
	// Standby is a backend that works and wants no traffic now, such as a replica at the
	// port for the primary. It gets none, and this is no fault.
	Standby
)

// String returns the state's word as logs have it.
func (s State) String() string {
	return [...]string{"unknown", "up", "down", "standby"}[s]
}

// CheckResult is the result of a probe.
type CheckResult uint8

// The results of a probe. CheckLocal is a failure of this machine, which does not
// count against the backend. CheckStandby is an answer that the backend works and wants
// no traffic.
const (
	CheckPassed CheckResult = iota
	CheckFailed
	CheckLocal
	CheckStandby
	numCheckResults
)

// CheckResults are all results of a probe.
var CheckResults = [numCheckResults]CheckResult{CheckPassed, CheckFailed, CheckLocal, CheckStandby}

// String returns the result's word as metrics have it.
func (r CheckResult) String() string { return [...]string{"passed", "failed", "local", "standby"}[r] }

// ErrStandby is in the error of a probe that found the backend to be a standby.
var ErrStandby = errors.New("standby")

func checkResult(err error) CheckResult {
	var dial *DialError
	switch {
	case err == nil:
		return CheckPassed
	case errors.Is(err, ErrStandby):
		return CheckStandby
	case errors.As(err, &dial) && dial.Reason.Local():
		return CheckLocal
	}
	return CheckFailed
}

// after returns the status after a probe: a state changes after rise or fall
// consecutive contradictions, and an unknown one at once.
func (s Status) after(r result, rise, fall int) Status {
	s.ProbedAt, s.Latency, s.Err = r.started, r.latency, r.err
	var want State
	switch checkResult(r.err) {
	case CheckLocal:
		return s
	case CheckPassed:
		want = Up
	case CheckFailed:
		want = Down
	case CheckStandby:
		want = Standby
	}
	if want == s.State {
		s.Streak = 0
		return s
	}
	if !s.continues(want) {
		s.Streak = 0
	}
	s.toward = want
	s.Streak++
	if s.State == Unknown || s.Streak >= s.needed(rise, fall) {
		s.State, s.Since, s.Streak = want, time.Now(), 0
	}
	return s
}

// continues reports whether a contradiction leads the same way as those before it. For
// a backend that is up, down and standby are the same: it is to take no traffic.
func (s Status) continues(want State) bool {
	return want == s.toward || s.State == Up
}

// needed returns how many contradictions change the state: fall of them take a backend
// down, or take traffic from it, and rise of them bring it up or make one that was down
// a standby.
func (s Status) needed(rise, fall int) int {
	if s.toward == Down || s.State == Up {
		return fall
	}
	return rise
}
