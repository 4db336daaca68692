package health

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// share returns how many of 1,000 turns the backend gets.
func share(t *testing.T, p *Pool, b *Backend) int {
	t.Helper()
	before := b.Total()
	for i := range 1000 {
		chosen(t, p, i)
	}
	return int(b.Total() - before)
}

// Pins that a recovered backend's weight grows to full over the time, and that
// nothing else moves meanwhile.
func TestSlowStart(t *testing.T) {
	for _, policy := range policies {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeProbe{}
			bs := backends(1, 1)
			p := NewPool(bs...)
			p.Balance, p.SlowStart = policy, 20*time.Second
			p.salt = 1 // the draws are the same each time
			first := func(ctx context.Context, b *Backend) error {
				if b == bs[0] {
					return f.probe(ctx, b)
				}
				return nil
			}
			c := newChecker(p, first)
			c.CheckAll(t.Context())
			run(t, c)
			if n := share(t, p, bs[0]); n < 450 {
				t.Fatalf("%s: %d of 1000 turns at program start, want half", policy, n)
			}
			f.bad.Store(true)
			until(p, Down)
			f.bad.Store(false)
			until(p, Up)
			last := 0
			for second := range 20 {
				n := share(t, p, bs[0])
				if most := 1000*(second+3)/20/2 + 60; n > most || n < last-60 {
					t.Errorf("%s: %d of 1000 turns in second %d, %d before, want at most %d", policy, n, second, last, most)
				}
				last = n
				time.Sleep(time.Second)
			}
			time.Sleep(time.Second)
			if n := share(t, p, bs[0]); n < 450 {
				t.Errorf("%s: %d of 1000 turns in the end, want half", policy, n)
			}
			if n := len(p.ring.Load().slots); n != 2 {
				t.Errorf("%s: the ring still has %d slots", policy, n)
			}
		})
	}
}

// Pins that one that the operator had put down, and whose probes passed meanwhile,
// grows as one that recovers does, and one that was drained does not have to.
func TestSlowStartAfterDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bs := backends(1, 1)
		p := NewPool(bs...)
		p.SlowStart = 20 * time.Second
		c := newChecker(p, func(context.Context, *Backend) error { return nil })
		c.CheckAll(t.Context())
		run(t, c)
		p.SetMode(bs[0], ModeDown)
		time.Sleep(time.Minute)
		p.SetMode(bs[0], ModeReady)
		for _, tt := range []struct{ least, most int }{{30, 150}, {200, 400}, {450, 550}} {
			if n := share(t, p, bs[0]); n < tt.least || n > tt.most {
				t.Errorf("%d of 1000 turns, want %d to %d", n, tt.least, tt.most)
			}
			time.Sleep(p.SlowStart/2 + time.Second/2)
		}
		p.SetMode(bs[0], ModeDrain)
		p.SetMode(bs[0], ModeReady)
		if n := share(t, p, bs[0]); n < 450 {
			t.Errorf("%d of 1000 turns after a drain, want half", n)
		}
	})
}

// Pins that a backend alone has all turns, however new.
func TestSlowStartAlone(t *testing.T) {
	p := NewPool(backends(3)...)
	p.SlowStart = time.Hour
	p.record(1, 1, probed(p, 0, errors.New("bad")))
	p.record(1, 1, probed(p, 0, nil))
	if got := next(t, p); got != "a" {
		t.Errorf("got %q", got)
	}
}

// Pins that the ring stays small when many heavy backends recover at once.
func TestSlowStartBoundsTheRing(t *testing.T) {
	p := NewPool(fleet(1000, 256, 255, 1)...)
	p.SlowStart = time.Hour
	p.MarkAllUp()
	bad := errors.New("bad")
	p.record(1, 1, probed(p, 0, bad))
	p.record(1, 1, probed(p, 0, nil))
	if n := len(p.ring.Load().slots); n > 200_000 {
		t.Errorf("%d slots", n)
	}
}
