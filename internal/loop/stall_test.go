package loop

import (
	"bytes"
	"testing"
	"time"
)

// Trap 8: a fiber that blocks in any other way stops all connections of its loop.
// That is counted, and reported with the fiber's stack.
func TestStall(t *testing.T) {
	stallc := make(chan Stall, 10)
	g := newGroup(t, Config{OnStall: func(s Stall) { stallc <- s }})
	l := g.Loops()[1]
	in(t, l, func() {})
	if n := g.Stalls(); n != 0 {
		t.Logf("%d stalls before", n) // the machine is busy
	}
	in(t, l, func() { blocksTheLoop(10 * StallAfter) })
	for {
		select {
		case s := <-stallc:
			if s.Loop != l || s.Stack == nil {
				continue
			}
			if s.For < StallAfter || g.Stalls() == 0 {
				t.Errorf("held up for %s, %d stalls", s.For, g.Stalls())
			}
			if want := "blocksTheLoop"; !bytes.Contains(s.Stack, []byte(want)) {
				t.Errorf("the stack does not show %s:\n%s", want, s.Stack)
			}
			return
		case <-time.After(wait):
			t.Fatal("the stall was not reported")
		}
	}
}

//go:noinline
func blocksTheLoop(d time.Duration) { time.Sleep(d) }

// The watch sleeps while all loops wait, and wakes with them.
func TestWatchSleeps(t *testing.T) {
	g := newGroup(t, Config{})
	for range 3 {
		eventually(t, "the watch sleeps", g.watch.asleep.Load)
		before := g.Stalls()
		in(t, g.Loops()[0], func() {
			for end := time.Now().Add(wait / 2); g.Stalls() == before && time.Now().Before(end); {
				blocksTheLoop(StallAfter / 10)
			}
		})
		if g.Stalls() == before {
			t.Error("a stall went unnoticed")
		}
	}
}
