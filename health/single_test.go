package health

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// Pins what Single promises: one backend takes all turns until it is down, its return
// changes nothing, a failed dial goes nowhere else, and each move is one warning.
func TestSingle(t *testing.T) {
	var log bytes.Buffer
	bad := errors.New("refused")
	bs := backends(1, 1, 1)
	p := NewPool(bs...)
	p.Balance = Single
	logTo(p, &log)
	if p.Active() != nil {
		t.Errorf("%s is active before a probe", p.Active().Addr)
	}
	// Two are up at the start: the first of them in the list is the active one.
	p.record(1, 1, probed(p, 2, nil), probed(p, 1, nil), probed(p, 0, bad))
	for _, step := range []struct {
		name   string
		change func()
		want   *Backend
		warned string
	}{
		{"start", func() {}, bs[1], ""},
		{"one before it comes up", func() { p.record(1, 1, probed(p, 0, nil)) }, bs[1], ""},
		{"it goes down", func() { p.record(1, 1, probed(p, 1, bad)) }, bs[0], "backend=a:1 was=b:1"},
		{"it comes back", func() { p.record(1, 1, probed(p, 1, nil)) }, bs[0], ""},
		{"drained by the operator", func() { p.SetMode(bs[0], ModeDrain) }, bs[1], "backend=b:1 was=a:1"},
		{"ready again", func() { p.SetMode(bs[0], ModeReady) }, bs[1], ""},
		{"another weight", func() { _ = p.SetWeight(bs[0], 9) }, bs[1], ""},
		{"all down", func() { p.record(1, 1, probed(p, 0, bad), probed(p, 1, bad), probed(p, 2, bad)) }, nil, ""},
		{"the last active and an earlier one come back", func() { p.record(1, 1, probed(p, 0, nil), probed(p, 1, nil)) }, bs[1], ""},
		{"all down again", func() { p.record(1, 1, probed(p, 0, bad), probed(p, 1, bad)) }, nil, ""},
		{"another one comes up", func() { p.record(1, 1, probed(p, 2, nil)) }, bs[2], "backend=c:1 was=b:1"},
		{"it leaves the list", func() {
			p.record(1, 1, probed(p, 0, nil))
			p.Replace([]Spec{bs[1].Spec(), bs[0].Spec()})
		}, bs[0], "backend=a:1 was=c:1"},
	} {
		log.Reset()
		step.change()
		if got := p.Active(); got != step.want {
			t.Fatalf("%s: %v is active, want %v", step.name, got, step.want)
		}
		for range 5 {
			turn := p.Turn()
			if b := turn.Next(); b != step.want {
				t.Errorf("%s: a turn of %v", step.name, b)
			} else if b != nil {
				b.Release() // as after a failed dial
			}
			if b := turn.Next(); b != nil {
				t.Errorf("%s: after a failed dial another turn, of %s", step.name, b.Addr)
			}
		}
		warned := strings.Count(log.String(), `level=WARN msg="active backend moved"`)
		if warned != strings.Count(step.warned, "was=") || !strings.Contains(log.String(), step.warned) {
			t.Errorf("%s: want a warning %q in:\n%s", step.name, step.warned, &log)
		}
	}
}

// Pins that backups that an SRV record makes come after all others, and stay too once
// they are active.
func TestSingleWithBackups(t *testing.T) {
	bs := backends(1, 1)
	backup(bs[0])
	p := poolOf(Single, bs...)
	if p.Active() != bs[1] {
		t.Errorf("%s is active", p.Active().Addr)
	}
	p.record(1, 1, probed(p, 1, errors.New("gone")))
	p.record(1, 1, probed(p, 1, nil))
	if p.Active() != bs[0] {
		t.Errorf("the return of %s moved the traffic", p.Active().Addr)
	}
}

// Pins that moves that the limit of the log leaves no line for are reported later, once.
func TestSingleMovesAreLogged(t *testing.T) {
	var log bytes.Buffer
	bad := errors.New("refused")
	p := NewPool(backends(1, 1)...)
	p.Balance = Single
	logTo(p, &log)
	p.record(1, 1, probed(p, 0, nil), probed(p, 1, nil))
	for range 50 {
		p.record(1, 1, probed(p, 0, bad))
		p.record(1, 1, probed(p, 0, nil), probed(p, 1, bad))
		p.record(1, 1, probed(p, 1, nil))
	}
	if n := strings.Count(log.String(), "active backend moved"); n == 0 || n > 2*maxLines {
		t.Errorf("%d lines about 100 moves", n)
	}
}
