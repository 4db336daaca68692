package health

import (
	"fmt"
	"strings"
	"time"
)

// What the log says of a backend is bounded: one that comes and goes with every
// probe, which clients may have a hand in, must not fill a disk.
const (
	// tellMost is how many lines there are about one backend in a tellPeriod.
	tellMost   = 10
	tellPeriod = time.Minute
	// maxNames is how many addresses stand in a line.
	maxNames = 32
	// maxCause is how many bytes of a probe's error do: some may be the backend's.
	maxCause = 300
)

// telling is what the log was told of a backend lately. It is guarded by Pool.mu.
type telling struct {
	began  time.Time // of the present period
	lines  int       // asked for in it
	untold int       // changes of state that the log does not know of
}

// may reports whether one line more may be written, which then is to be.
func (t *telling) may() bool {
	if now := time.Now(); now.Sub(t.began) >= tellPeriod {
		t.began, t.lines = now, 0
	}
	t.lines++
	return t.lines <= tellMost
}

// tellLocked says that a backend changed its state, now or when there was no line
// left to say it. It is called after each probe, so nothing stays untold for much
// longer than a period. It reports whether the healthy set is to be told too: that
// line alone names a backend whose first probe passed.
func (p *Pool) tellLocked(b *Backend, changed bool) bool {
	s := b.Status()
	if s.State == Up && b.Changes() == 0 {
		return changed
	}
	if changed {
		b.telling.untold++
	}
	if b.telling.untold == 0 || !b.telling.may() {
		return false
	}
	attrs := []any{"backend", b.Addr, "latency", s.Latency.Round(time.Microsecond)}
	if b.telling.untold > 1 {
		attrs = append(attrs, "changes", b.telling.untold)
	}
	if s.Err != nil {
		attrs = append(attrs, "err", s.Err)
	}
	b.telling.untold = 0
	if p.Logger != nil {
		p.Logger.Info("backend "+s.State.String(), attrs...)
	}
	return true
}

// list returns addresses for the log.
func list(addrs []string) string {
	if len(addrs) <= maxNames {
		return strings.Join(addrs, ",")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(addrs[:maxNames], ","), len(addrs)-maxNames)
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
