package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// The second of four workers at 100 a second is due at 10 ms, 50 ms, 90 ms, ...
func TestOpenLoadIsDueByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := newPace(100, start, 1, 4)
		steps := []struct {
			name   string
			busy   time.Duration // of the operation before
			counts time.Duration // from when latency counts, after the start
			sentAt time.Duration
		}{
			{"waits", 0, 10 * time.Millisecond, 10 * time.Millisecond},
			{"waits again", 5 * time.Millisecond, 50 * time.Millisecond, 50 * time.Millisecond},
			// The answer took 100 ms: two fell due meanwhile, and their wait counts.
			{"is late", 100 * time.Millisecond, 90 * time.Millisecond, 150 * time.Millisecond},
			{"is still late", 0, 130 * time.Millisecond, 150 * time.Millisecond},
			{"has caught up", 0, 170 * time.Millisecond, 170 * time.Millisecond},
		}
		for _, s := range steps {
			time.Sleep(s.busy) // on the bubble's clock: what the operation takes
			from, err := p.await(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := from.Sub(start); got != s.counts {
				t.Errorf("%s: counts from %v, want %v", s.name, got, s.counts)
			}
			if got := time.Since(start); got != s.sentAt {
				t.Errorf("%s: sent at %v, want %v", s.name, got, s.sentAt)
			}
		}
	})
}

func TestClosedLoadNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := newPace(0, start, 3, 4)
		for range 3 {
			if from, err := p.await(t.Context()); err != nil || from != start {
				t.Errorf("got %v, %v", from, err)
			}
		}
	})
}

func TestPaceEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := newPace(1, time.Now(), 3, 4)
	if _, err := p.await(ctx); err != context.Canceled {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
