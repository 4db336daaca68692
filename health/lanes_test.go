package health

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// busyProbe counts how many probes run at a time; those of bad backends hang.
type busyProbe struct {
	now, most atomic.Int64
	hangs     func(*Backend) bool
}

func (p *busyProbe) probe(ctx context.Context, b *Backend) error {
	n := p.now.Add(1)
	defer p.now.Add(-1)
	for m := p.most.Load(); n > m && !p.most.CompareAndSwap(m, n); m = p.most.Load() {
	}
	if p.hangs(b) {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(time.Millisecond)
	return nil
}

// Pins that the first round of a thousand backends that hang ends with the
// timeout, at most 32 probes at a time, and that nothing is concluded about those
// that were not asked.
func TestFirstRoundIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &busyProbe{hangs: func(*Backend) bool { return true }}
		p := NewPool(fleet(1000, 1)...)
		c := newChecker(p, f.probe)
		began := time.Now()
		c.CheckAll(t.Context())
		if d := time.Since(began); d > c.Timeout {
			t.Errorf("took %s, the timeout is %s", d, c.Timeout)
		}
		states := map[State]int{}
		for _, b := range p.Backends() {
			states[b.Status().State]++
		}
		if f.most.Load() > maxProbes || states[Down] != maxSlow || states[Unknown] != 1000-maxSlow {
			t.Errorf("%d at a time, states %v", f.most.Load(), states)
		}
	})
}

// Pins that backends which hang do not hold up the probes of the others: those
// that work are all found, and one that fails is out as soon as ever.
func TestHangingBackendsHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := fleet(300, 1)
		var failing atomic.Pointer[Backend]
		f := &busyProbe{hangs: func(b *Backend) bool { return b.id%3 == 0 }}
		p := NewPool(bs...)
		c := newChecker(p, func(ctx context.Context, b *Backend) error {
			if b == failing.Load() {
				return errors.New("bad")
			}
			return f.probe(ctx, b)
		})
		c.CheckAll(t.Context())
		run(t, c)
		time.Sleep(10 * time.Second) // a hundred that hang, 24 at a time for 2 s each
		var up []*Backend
		for _, b := range bs {
			if s := b.Status().State; s == Up {
				up = append(up, b)
			} else if !f.hangs(b) {
				t.Fatalf("%s works and is %s", b.Addr, s)
			}
		}
		failing.Store(up[0])
		began := time.Now()
		up[0].Suspect()
		for up[0].Status().State == Up && time.Since(began) < time.Minute {
			time.Sleep(time.Millisecond)
		}
		if d := time.Since(began); d > 1100*time.Millisecond {
			t.Errorf("out after %s, want the fast interval", d)
		}
		if n := f.most.Load(); n > maxProbes {
			t.Errorf("%d probes at a time", n)
		}
	})
}

// Pins that a first round that is cut off concludes nothing.
func TestFirstRoundCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &busyProbe{hangs: func(*Backend) bool { return true }}
		p := NewPool(backends(1, 1)...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		newChecker(p, f.probe).CheckAll(ctx)
		if s := p.Backends()[0].Status().State; s != Unknown {
			t.Errorf("%s, want unknown", s)
		}
	})
}
