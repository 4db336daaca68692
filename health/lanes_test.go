package health

import (
	"context"
	"sync"
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

// Pins that backends which hang do not hold up the probes of the others: however
// many of them wait, a probe of one that is up finds a place, and there are 32 in
// all. (Many hanging probes in a synctest bubble crash the race detector:
// golang/go#78156.)
func TestHangingBackendsHoldNobodyUp(t *testing.T) {
	var l lanes
	ctx, cancel := context.WithCancel(t.Context())
	in := make(chan func(), 100)
	var wg sync.WaitGroup
	for i := range 100 { // some are down, some not known yet
		wg.Go(func() {
			if leave, ok := l.enter(ctx, State(i%2)*Down); ok {
				in <- leave
			}
		})
	}
	var leaves []func()
	for range maxSlow {
		leaves = append(leaves, <-in)
	}
	for range maxProbes - maxSlow {
		leave, ok := l.enter(ctx, Up)
		if !ok {
			t.Fatal("no place for one that is up")
		}
		leaves = append(leaves, leave)
	}
	if n := len(in); n > 0 {
		t.Errorf("%d more than %d that are not up", n, maxSlow)
	}
	done, stop := context.WithCancel(ctx)
	stop()
	if _, ok := l.enter(done, Up); ok {
		t.Errorf("more than %d at a time", maxProbes)
	}
	cancel()
	wg.Wait()
	for _, leave := range leaves {
		leave()
	}
	if len(l.all) != 0 || len(l.slow) != 0 {
		t.Errorf("%d and %d places are still taken", len(l.all), len(l.slow))
	}
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
