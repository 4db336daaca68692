package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"
)

func probed(p *Pool, i int, err error) result {
	return result{backend: p.Backends()[i], err: err, started: time.Now()}
}

// logTo makes a reporter log the pool's transitions.
func logTo(p *Pool, w io.Writer) {
	p.OnTransition = (&Reporter{Pool: p, Logger: slog.New(slog.NewTextHandler(w, nil))}).Report
}

func TestRiseAndFall(t *testing.T) {
	p := NewPool(backends(1)...)
	bad := errors.New("refused")
	steps := []struct {
		err  error
		want State
	}{
		{nil, Up},                                               // the first result decides at once
		{bad, Up}, {nil, Up}, {bad, Up}, {bad, Up}, {bad, Down}, // fall 3, consecutive
		{nil, Down}, {bad, Down}, {nil, Down}, {nil, Up}, // rise 2
	}
	for i, s := range steps {
		p.record(2, 3, probed(p, 0, s.err))
		if got := p.Backends()[0].Status().State; got != s.want {
			t.Fatalf("step %d: %s, want %s", i, got, s.want)
		}
		if p.Ready() != (s.want == Up) {
			t.Fatalf("step %d: the ring does not follow the state", i)
		}
	}
}

// Pins that this machine's own failures never count against a backend.
func TestLocalFailureKeepsTheState(t *testing.T) {
	for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL} {
		p := upPool(t, 1)
		err := fmt.Errorf("probe: %w", &DialError{Addr: "a:1", Reason: reasonOf(errno), Err: errno})
		for range 5 {
			p.record(1, 1, probed(p, 0, err))
		}
		if s := p.Backends()[0].Status(); s.State != Up || !errors.Is(s.Err, errno) {
			t.Errorf("after %v: %s, last error %v", errno, s.State, s.Err)
		}
	}
}

// Pins that every change is one line with its cause, followed by one line with
// the healthy set, and that nothing is logged without a change.
func TestChangesAreLoggedOnce(t *testing.T) {
	var buf bytes.Buffer
	p := NewPool(backends(1, 1)...)
	logTo(p, &buf)
	p.record(1, 2, probed(p, 0, nil), probed(p, 1, nil))
	bad := errors.New("status 500")
	for range 4 {
		p.record(1, 2, probed(p, 1, bad))
	}
	got := buf.String()
	for want, n := range map[string]int{
		`msg="backend up"`:                                0, // the set says so
		`msg="backend down" backend=b:1`:                  1,
		`err="status 500"`:                                1,
		`msg="healthy set" up=2 of=2 backends=a:1,b:1`:    1,
		`msg="healthy set" up=1 of=2 backends=a:1` + "\n": 1,
	} {
		if strings.Count(got, want) != n {
			t.Errorf("%q stands %d times, want %d, in:\n%s", want, strings.Count(got, want), n, got)
		}
	}
}

// Pins that the healthy set is named at the start, also if it is empty because no
// backend has been found, and not again while it stays the same.
func TestEmptyHealthySetIsNamedOnce(t *testing.T) {
	bad := errors.New("refused")
	for _, tt := range []struct {
		backends []*Backend
		want     string
	}{
		{nil, "up=0 of=0"},
		{backends(1, 1, 1), "up=0 of=3"},
	} {
		var buf bytes.Buffer
		p := NewPool(tt.backends...)
		logTo(p, &buf)
		c := Checker{Pool: p, Probe: func(context.Context, *Backend) error { return bad }, Timeout: time.Minute}
		c.CheckAll(t.Context())
		for i := range tt.backends { // as if it had joined
			tt.backends[i].status.Store(&Status{})
			p.record(1, 1, probed(p, i, bad))
		}
		got := buf.String()
		if strings.Count(got, "healthy set") != 1 || !strings.Contains(got, `msg="healthy set" `+tt.want+` backends=""`) {
			t.Errorf("want it once, %s:\n%s", tt.want, got)
		}
	}
}

// Pins that a backend whose probes alternate stays as it is, in or out, and is
// told of once and not once a probe.
func TestAlternatingBackendIsLoggedOnce(t *testing.T) {
	for _, first := range []State{Up, Down} {
		var buf bytes.Buffer
		p := NewPool(backends(1)...)
		logTo(p, &buf)
		bad := errors.New("status 500")
		outcomes := []error{nil, bad}
		if first == Down {
			outcomes = []error{bad, nil}
		}
		for i := range 100 {
			p.record(2, 2, probed(p, 0, outcomes[i%2]))
			if s := p.Backends()[0].Status().State; s != first {
				t.Fatalf("%s after probe %d, want %s", s, i, first)
			}
		}
		got := buf.String()
		want := 2 // the healthy set, and that it is unsteady
		if first == Down {
			want = 3 // its first state
		}
		if n := strings.Count(got, "\n"); n != want {
			t.Errorf("%d lines, want %d:\n%s", n, want, got)
		}
		if want := fmt.Sprintf(`level=WARN msg="backend unsteady" backend=a:1 state=%s err="status 500"`, first); !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

func TestWentDown(t *testing.T) {
	var fallen []string
	p := NewPool(backends(1, 1)...)
	p.OnTransition = func(t Transition) {
		if t.WentDown {
			fallen = append(fallen, t.Backend.Addr)
		}
		p.Backends() // the pool is not locked
	}
	bad := errors.New("bad")
	p.record(1, 1, probed(p, 0, nil), probed(p, 1, bad)) // b was never up
	p.record(1, 2, probed(p, 0, bad))
	if len(fallen) > 0 {
		t.Fatalf("%v fell after one of two failures", fallen)
	}
	p.record(1, 2, probed(p, 0, bad))
	p.record(1, 2, probed(p, 0, bad))
	if strings.Join(fallen, ",") != "a:1" {
		t.Errorf("%v fell, want a:1 once", fallen)
	}
}
