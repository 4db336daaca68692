package health

import (
	"errors"
	"strings"
	"testing"
)

// turns returns whose turn it is, n times.
func turns(t *testing.T, p *Pool, n int) string {
	t.Helper()
	var b strings.Builder
	for range n {
		b.WriteString(next(t, p))
	}
	return b.String()
}

// Pins that a backend that is drained or put down gets no turns, keeps what it
// has, and comes back at once, without its probes being touched.
func TestModes(t *testing.T) {
	for _, m := range []Mode{ModeDrain, ModeDown} {
		t.Run(m.String(), func(t *testing.T) {
			p := upPool(t, 1, 1)
			a := p.Find("a:1")
			turn := p.Turn()
			held := turn.Next()
			p.SetMode(a, m)
			if got := turns(t, p, 3); got != "bbb" {
				t.Errorf("turns %s, want bbb", got)
			}
			if a.Active() != 1 || a.Status().State != Up || a.Down() != (m == ModeDown) {
				t.Errorf("active %d, %s, down %v", a.Active(), a.Status().State, a.Down())
			}
			held.Release()
			p.SetMode(a, ModeReady)
			if got := turns(t, p, 2); got != "ab" && got != "ba" {
				t.Errorf("turns %s, want both", got)
			}
		})
	}
}

// Pins that draining all leaves nobody, and that a probe does not bring back what
// the operator has taken out.
func TestModeOutlastsProbes(t *testing.T) {
	p := upPool(t, 1)
	p.SetMode(p.Find("a:1"), ModeDrain)
	p.record(1, 1, probed(p, 0, errors.New("bad")))
	p.record(1, 1, probed(p, 0, nil))
	if p.Ready() || next(t, p) != "" {
		t.Error("a drained backend takes traffic after it recovered")
	}
}

// Pins that a backend that goes down is reported once, by the operator or its probes.
func TestModeDownIsReported(t *testing.T) {
	p, reported := upPool(t, 1, 1), 0
	p.OnTransition = func(t Transition) {
		if t.WentDown {
			reported++
		}
	}
	a := p.Find("a:1")
	p.SetMode(a, ModeDrain)
	if reported != 0 {
		t.Error("a drain was reported as down")
	}
	p.SetMode(a, ModeDown)
	p.SetMode(a, ModeDown)
	p.record(1, 1, probed(p, 0, errors.New("bad")))
	if reported != 1 {
		t.Errorf("reported %d times, want once", reported)
	}
	p.SetMode(a, ModeReady)
	p.SetMode(a, ModeDown)
	if reported != 1 {
		t.Error("a backend that was down already was reported")
	}
}

// Pins that the operator's weight counts at once, survives the list being taken
// again, and yields to a list that says another one.
func TestSetWeight(t *testing.T) {
	p := newPool(t, "a:1,b:1")
	p.MarkAllUp()
	if err := p.SetWeight(p.Find("a:1"), 3); err != nil {
		t.Fatal(err)
	}
	if got := turns(t, p, 8); strings.Count(got, "a") != 6 {
		t.Errorf("turns %s, want six of a", got)
	}
	for _, bad := range []int{0, -1, MaxWeight + 1} {
		if p.SetWeight(p.Find("a:1"), bad) == nil {
			t.Errorf("weight %d was taken", bad)
		}
	}
	for _, tt := range []struct {
		list string
		want int
	}{
		{"a:1,b:1", 3}, {"b:1,a:1;max_conns=9", 3}, {"a:1;weight=2,b:1", 2},
	} {
		p.Replace(parse(t, tt.list))
		if got := p.Find("a:1").CurrentWeight(); got != tt.want {
			t.Errorf("weight %d after %s, want %d", got, tt.list, tt.want)
		}
	}
	if p.Find("c:1") != nil {
		t.Error("found what is not in the list")
	}
}

// Pins that what the operator has said of an address outlasts its leaving the list,
// as one that is drained may leave DNS and return, and that nothing else of it does.
func TestSteeringOutlastsTheList(t *testing.T) {
	p := newPool(t, "a:1,b:1")
	p.MarkAllUp()
	p.SetMode(p.Find("a:1"), ModeDrain)
	if err := p.SetWeight(p.Find("b:1"), 3); err != nil {
		t.Fatal(err)
	}
	p.Replace(parse(t, "c:1"))
	p.Replace(parse(t, "a:1,b:1"))
	if m, w := p.Find("a:1").Mode(), p.Find("b:1").CurrentWeight(); m != ModeDrain || w != 3 {
		t.Errorf("a is %s, b has weight %d, want drain and 3", m, w)
	}
	if got := turns(t, p, 3); got != "bbb" {
		t.Errorf("turns %s, want bbb", got)
	}
	p.Replace(parse(t, "c:1"))
	p.Replace(parse(t, "a:1,b:1;weight=2"))
	if w := p.Find("b:1").CurrentWeight(); w != 2 {
		t.Errorf("b came back with weight %d, want that of the list, 2", w)
	}
	p.SetMode(p.Find("a:1"), ModeReady)
	p.Replace(parse(t, "c:1"))
	if n := len(p.roster.departed); n != 0 {
		t.Errorf("%d are remembered of which nothing is said", n)
	}
}

// Pins what the counters of probes count.
func TestChecksAreCounted(t *testing.T) {
	p := newPool(t, "a:1")
	bad, local := errors.New("bad"), &DialError{Reason: NoFD, Err: errors.New("none left")}
	for _, err := range []error{nil, bad, bad, local, nil, nil} {
		p.record(1, 2, probed(p, 0, err))
	}
	a := p.Find("a:1")
	if a.Checks(CheckPassed) != 3 || a.Checks(CheckFailed) != 2 || a.Checks(CheckLocal) != 1 || a.Changes() != 2 {
		t.Errorf("passed %d, failed %d, local %d, changes %d, want 3, 2, 1, 2",
			a.Checks(CheckPassed), a.Checks(CheckFailed), a.Checks(CheckLocal), a.Changes())
	}
}
