package health

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Pins when a backend becomes a standby, and ceases to be one: as it goes down and comes
// up, while a change between down and standby takes its own consecutive results.
func TestStandbyRiseAndFall(t *testing.T) {
	bad, idle := errors.New("refused"), fmt.Errorf("GET /primary: status 503: %w", ErrStandby)
	for _, tt := range []struct {
		name string
		errs []error
		want []State // with rise 2 and fall 3
	}{
		{"at once at first", []error{idle}, []State{Standby}},
		{"fall", []error{nil, idle, idle, idle}, []State{Up, Up, Up, Standby}},
		{"what is not up falls together", []error{nil, bad, bad, idle}, []State{Up, Up, Up, Standby}},
		{"and the last one decides", []error{nil, idle, idle, bad}, []State{Up, Up, Up, Down}},
		{"rise", []error{idle, nil, nil}, []State{Standby, Standby, Up}},
		{"rise, interrupted", []error{idle, nil, idle, nil, bad, nil, nil}, []State{Standby, Standby, Standby, Standby, Standby, Standby, Up}},
		{"down", []error{idle, bad, bad, bad}, []State{Standby, Standby, Standby, Down}},
		{"down, interrupted", []error{idle, bad, bad, nil, bad, bad, bad}, []State{Standby, Standby, Standby, Standby, Standby, Standby, Down}},
		{"recovers as a standby", []error{bad, idle, idle}, []State{Down, Down, Standby}},
		{"recovers, of two minds", []error{bad, idle, nil, idle, idle}, []State{Down, Down, Down, Down, Standby}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := NewPool(backends(1)...)
			for i, err := range tt.errs {
				p.record(2, 3, probed(p, 0, err))
				if got := p.Backends()[0].Status().State; got != tt.want[i] {
					t.Fatalf("result %d: %s, want %s", i+1, got, tt.want[i])
				}
				if p.Ready() != (tt.want[i] == Up) {
					t.Fatalf("result %d: the ring does not follow the state", i+1)
				}
			}
		})
	}
}

// Pins that a standby is no warning but one line with its cause, that one which goes down
// is, and that whoever had its connections hears that it takes no traffic any more.
func TestStandbyIsReported(t *testing.T) {
	var log bytes.Buffer
	p := NewPool(backends(1, 1)...)
	logTo(p, &log)
	report := p.OnTransition
	var down []string
	p.OnTransition = func(tr Transition) {
		report(tr)
		if tr.WentDown {
			down = append(down, tr.Backend.Addr)
		}
	}
	idle := fmt.Errorf("GET /primary: status 503: %w", ErrStandby)
	p.record(1, 1, probed(p, 0, nil), probed(p, 1, idle))
	for range 3 {
		p.record(1, 1, probed(p, 1, idle))
	}
	if got := log.String(); strings.Count(got, "standby") != 2 ||
		!strings.Contains(got, `level=INFO msg="backend standby" backend=b:1`) ||
		!strings.Contains(got, `err="GET /primary: status 503: standby"`) {
		t.Errorf("logged:\n%s", got)
	}
	p.record(1, 1, probed(p, 0, idle), probed(p, 1, nil)) // they change places
	if fmt.Sprint(down) != "[a:1]" || !p.Backends()[0].Down() || p.Backends()[0].Changes() != 1 {
		t.Errorf("went down: %s", down)
	}
	if got := log.String(); strings.Contains(got, "WARN") || strings.Contains(got, "ERROR") {
		t.Errorf("logged:\n%s", got)
	}
	p.record(1, 1, probed(p, 0, errors.New("refused")))
	if got := log.String(); !strings.Contains(got, `level=WARN msg="backend down" backend=a:1`) {
		t.Errorf("logged:\n%s", got)
	}
	if b := p.Backends()[0]; b.Checks(CheckStandby) != 1 || b.Checks(CheckFailed) != 1 {
		t.Errorf("%d standby, %d failed", b.Checks(CheckStandby), b.Checks(CheckFailed))
	}
}
