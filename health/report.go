package health

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// The lines about a backend are limited: one that goes up and down with every probe,
// which clients may cause, must not fill a disk.
const (
	// maxLines is how many lines there are about one backend in a linePeriod.
	maxLines   = 10
	linePeriod = time.Minute
	// maxCause is how many bytes of a probe's error there are in a line: some may be
	// the backend's.
	maxCause = 300
	// unsteadyAfter is how many times a backend's probes contradict its state and
	// then confirm it again, before one line in the log reports it.
	unsteadyAfter = 3
)

// Reporter logs the transitions of a pool:
//
//	pool.OnTransition = (&health.Reporter{Pool: pool, Logger: logger}).Report
//
// A backend that goes down is a warning, or an error if no other takes traffic; one
// that comes back, or becomes a standby, is for information. That another backend takes
// all traffic, with Single, is a warning. Lines about a backend are limited to a few a
// minute. A change that was left out for that is reported by a later line.
type Reporter struct {
	Pool   *Pool
	Logger *slog.Logger

	reports map[*Backend]*report
	due     bool     // the healthy set is to be logged
	active  *Backend // that was logged last, with Single
	healthy string   // the healthy set that was logged last
}

// report is the reporter's state for one backend.
type report struct {
	began    time.Time // of the present linePeriod
	lines    int       // asked for in it
	unlogged int       // changes of state that were not logged
	wavered  int       // streaks of probes that ended without a change of state
	lastErr  error     // of the last failed probe
}

// Report logs a transition. It must not be called concurrently, and Pool does not.
func (r *Reporter) Report(t Transition) {
	switch t.Kind {
	case Started:
		r.due = true
	case Probed:
		r.probed(t)
	case ModeChanged:
		r.Logger.Info("backend mode", "backend", t.Backend.Addr, "mode", t.Mode.String(), "was", t.WasMode.String())
		r.due = true
	case WeightChanged:
		r.Logger.Info("backend weight", "backend", t.Backend.Addr, "weight", t.Weight, "was", t.WasWeight)
	case ListChanged:
		r.Logger.Info("backends changed", "added", names(t.Added), "removed", names(t.Removed), "altered", names(t.Altered))
		r.forget()
		r.due = true
	}
	if !t.Last {
		return
	}
	r.logActive()
	// Before the first probes of new backends the healthy set is that of the old ones.
	if r.due && (t.Kind == Started || !r.Pool.handingOver()) {
		r.due = false
		r.logHealthy()
	}
}

// logActive logs that another backend takes all traffic, unless the limit leaves no line:
// then it is called again after the next transition.
func (r *Reporter) logActive() {
	b := r.Pool.Active()
	if b == nil || b == r.active || !r.of(b).allow() {
		return
	}
	if r.active == nil {
		r.Logger.Info("active backend", "backend", b.Addr)
	} else {
		r.Logger.Warn("active backend moved", "backend", b.Addr, "was", r.active.Addr)
	}
	r.active = b
}

func (r *Reporter) probed(t Transition) {
	rep := r.of(t.Backend)
	changed := t.Was.State != t.Now.State
	if t.Result == CheckFailed {
		rep.lastErr = t.Now.Err
	}
	switch {
	case t.Result == CheckLocal:
		if t.Was.Err == nil && rep.allow() {
			r.Logger.Warn("probe failed on this machine", "backend", t.Backend.Addr, "state", t.Now.State.String(), "err", t.Now.Err)
		}
	case changed:
		rep.wavered = 0
	case t.Was.Streak > 0 && t.Now.Streak == 0:
		r.wavered(rep, t)
	}
	r.logState(rep, t, changed)
}

// wavered logs once between two changes of a backend's state that its probes
// alternate.
func (r *Reporter) wavered(rep *report, t Transition) {
	rep.wavered++
	if rep.wavered == unsteadyAfter && rep.allow() {
		attrs := []any{"backend", t.Backend.Addr, "state", t.Now.State.String()}
		r.Logger.Warn("backend unsteady", append(attrs, because(rep.lastErr)...)...)
	}
}

// logState logs that a backend's state changed, with this probe or earlier when the
// limit left no line for it. It is called after each probe, so nothing stays
// unlogged for much longer than a period. The healthy set follows, and that line
// alone has the backends whose first probe passed.
func (r *Reporter) logState(rep *report, t Transition, changed bool) {
	if t.Now.State == Up && t.Backend.Changes() == 0 {
		r.due = r.due || changed
		return
	}
	if changed {
		rep.unlogged++
	}
	if rep.unlogged == 0 || !rep.allow() {
		return
	}
	attrs := []any{"backend", t.Backend.Addr, "latency", t.Now.Latency.Round(time.Microsecond)}
	if rep.unlogged > 1 {
		attrs = append(attrs, "changes", rep.unlogged)
	}
	attrs = append(attrs, because(t.Now.Err)...)
	rep.unlogged = 0
	r.Logger.Log(context.Background(), r.level(t), "backend "+t.Now.State.String(), attrs...)
	r.due = true
}

// level returns the level of the line about the backend's state.
func (r *Reporter) level(t Transition) slog.Level {
	switch {
	case t.Now.State != Down: // a standby needs no attention
		return slog.LevelInfo
	case t.Last && !r.Pool.Ready():
		return slog.LevelError
	}
	return slog.LevelWarn
}

// logHealthy logs which backends are up, unless that was the last such line too: a
// list of many that join and are down would be long, and the same each time.
func (r *Reporter) logHealthy() {
	backends := r.Pool.Backends()
	var up []string
	for _, b := range backends {
		if b.takesTraffic() {
			up = append(up, b.Addr)
		}
	}
	healthy := fmt.Sprintf("%q of %d", up, len(backends))
	if healthy == r.healthy {
		return
	}
	r.healthy = healthy
	level := slog.LevelInfo
	if len(up) == 0 {
		level = slog.LevelError
	}
	r.Logger.Log(context.Background(), level, "healthy set", "up", len(up), "of", len(backends), "backends", names(up))
}

// of returns the backend's report.
func (r *Reporter) of(b *Backend) *report {
	rep := r.reports[b]
	if rep == nil {
		rep = &report{}
		if r.reports == nil {
			r.reports = map[*Backend]*report{}
		}
		r.reports[b] = rep
	}
	return rep
}

// forget drops the reports of backends that the pool has forgotten.
func (r *Reporter) forget() {
	listed := map[*Backend]bool{}
	for _, b := range r.Pool.Backends() {
		listed[b] = true
	}
	for b := range r.reports {
		if !listed[b] && !b.remembered() {
			delete(r.reports, b)
		}
	}
}

// allow reports whether one more line may be logged, and counts it.
func (rep *report) allow() bool {
	if now := time.Now(); now.Sub(rep.began) >= linePeriod {
		rep.began, rep.lines = now, 0
	}
	rep.lines++
	return rep.lines <= maxLines
}

// briefError is an error whose text is cut off.
type briefError struct{ error }

func (e briefError) Error() string { return e.error.Error()[:maxCause] + "..." }

// Unwrap returns the whole error.
func (e briefError) Unwrap() error { return e.error }

// brief bounds the text of an error.
func brief(err error) error {
	if err == nil || len(err.Error()) <= maxCause {
		return err
	}
	return briefError{err}
}
