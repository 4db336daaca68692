package health

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fakeProbe answers from a switch, and counts.
type fakeProbe struct {
	bad   atomic.Bool
	calls atomic.Int64
}

func (f *fakeProbe) probe(context.Context, *Backend) error {
	f.calls.Add(1)
	if f.bad.Load() {
		return errors.New("bad")
	}
	return nil
}

func newChecker(p *Pool, probe Probe) *Checker {
	return &Checker{Pool: p, Probe: probe, Interval: 10 * time.Second, FastInterval: time.Second, Timeout: 2 * time.Second, Rise: 1, Fall: 2}
}

func run(t *testing.T, c *Checker) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	donec := make(chan struct{})
	go func() { _ = c.Run(ctx); close(donec) }()
	t.Cleanup(func() { cancel(); <-donec })
}

// Pins the promise of the README: out within an interval plus the fast interval,
// back within the fast interval.
func TestScheduleBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeProbe{}
		p := NewPool(backends(1)...)
		c := newChecker(p, f.probe)
		c.CheckAll(t.Context())
		run(t, c)
		for range 20 {
			f.bad.Store(true)
			if d := until(p, Down); d > 11*time.Second {
				t.Fatalf("down after %s", d)
			}
			f.bad.Store(false)
			if d := until(p, Up); d > time.Second {
				t.Fatalf("up after %s", d)
			}
		}
	})
}

// until waits in the bubble's time.
func until(p *Pool, want State) time.Duration {
	began := time.Now()
	for p.Backends()[0].Status().State != want && time.Since(began) < time.Minute {
		time.Sleep(time.Millisecond)
	}
	return time.Since(began)
}

// Pins that a failed dial starts a probe without waiting, and that a thousand of
// them are not a thousand probes.
func TestSuspectProbesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeProbe{}
		p := NewPool(backends(1)...)
		c := newChecker(p, f.probe)
		c.CheckAll(t.Context())
		run(t, c)
		synctest.Wait()
		f.bad.Store(true)
		before := f.calls.Load()
		p.Backends()[0].Suspect()
		synctest.Wait()
		if n := f.calls.Load() - before; n != 1 {
			t.Fatalf("%d probes at once, want 1", n)
		}
		for range 1000 {
			p.Backends()[0].Suspect()
			time.Sleep(time.Millisecond)
		}
		if n := f.calls.Load() - before; n > 12 {
			t.Errorf("%d probes in a second of failed dials", n)
		}
		if s := p.Backends()[0].Status().State; s != Down {
			t.Errorf("still %s", s)
		}
	})
}

func TestProbeTimeoutAndPanicAreFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context, _ *Backend) error { <-ctx.Done(); return ctx.Err() }
		boom := func(context.Context, *Backend) error { panic("boom") }
		for want, probe := range map[string]Probe{"no answer within 2s": hang, "probe panicked: boom": boom} {
			p := NewPool(backends(1, 1)...)
			began := time.Now()
			newChecker(p, probe).CheckAll(t.Context())
			if d := time.Since(began); d > 2*time.Second {
				t.Errorf("the first round took %s, the timeout is 2s", d)
			}
			for _, b := range p.Backends() {
				if s := b.Status(); s.State != Down || !strings.Contains(s.Err.Error(), want) {
					t.Errorf("%s: %v, want down because of %q", s.State, s.Err, want)
				}
			}
		}
	})
}

// Pins that instances that start together do not probe in step from the first
// round on.
func TestInstancesAreNotInStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		firstc := make(chan time.Duration, 1000)
		for range 10 {
			p := NewPool(backends(1)...)
			p.MarkAllUp()
			run(t, newChecker(p, func(context.Context, *Backend) error {
				firstc <- time.Since(began)
				return nil
			}))
		}
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		distinct := map[time.Duration]bool{}
		for len(firstc) > 0 {
			distinct[(<-firstc).Truncate(time.Millisecond)] = true
		}
		if len(distinct) < 5 {
			t.Errorf("ten instances probed at %d times, want them spread", len(distinct))
		}
	})
}

// Pins that schedules do not run in step: ten backends are probed at ten times.
func TestScheduleIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		seconds := make(chan int, 1000)
		probe := func(context.Context, *Backend) error {
			seconds <- int(time.Since(began) / time.Second)
			return nil
		}
		p := NewPool(backends(1, 1, 1, 1, 1, 1, 1, 1, 1, 1)...)
		p.MarkAllUp()
		run(t, newChecker(p, probe))
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		distinct := map[int]bool{}
		for len(seconds) > 0 {
			distinct[<-seconds] = true
		}
		if len(distinct) < 10 {
			t.Errorf("probes in %d distinct seconds of the first ten, want 10", len(distinct))
		}
	})
}
