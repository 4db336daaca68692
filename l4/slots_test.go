//go:build linux

package l4

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// Pins that at the limit the loop stops accepting: what is beyond waits in the
// kernel's queue, is not refused, and is served when a place is free.
func TestAtTheLimitTheQueueHoldsTheRest(t *testing.T) {
	var most, now atomic.Int64
	p := start(t, &Server{Slots: NewSlots(3)}, backend(t, func(conn *net.TCPConn) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		echo(conn)
	}))
	var conns []*net.TCPConn
	for range 10 {
		conns = append(conns, p.dial(t))
	}
	testkit.Eventually(t, "three are served", func() bool { return p.Active() == 3 })
	var served sync.WaitGroup
	for _, conn := range conns { // which three are the first is up to the loops
		served.Go(func() {
			_, _ = io.WriteString(conn, "x")
			_ = conn.CloseWrite()
			if got, err := io.ReadAll(conn); err != nil || string(got) != "x" {
				t.Errorf("read %q, %v", got, err)
			}
			_ = conn.Close()
		})
	}
	served.Wait()
	if most.Load() > 3 {
		t.Errorf("%d at once, want 3 at most", most.Load())
	}
	testkit.Eventually(t, "all slots are free", func() bool { return p.Slots.Taken() == 0 })
}

func TestShutdownAtTheLimit(t *testing.T) {
	p := start(t, &Server{Slots: NewSlots(1)}, backend(t, echo))
	conn := p.dial(t)
	exchange(t, conn, "x")
	stopc := make(chan error, 1)
	go func() { stopc <- p.stop(t.Context()) }()
	_ = conn.CloseWrite()
	_, _ = io.Copy(io.Discard, conn)
	_ = conn.Close()
	select {
	case err := <-stopc:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(wait):
		t.Fatal("Shutdown hangs at the limit")
	}
}

// Pins that a frontend which waits for a client leaves the place to another.
func TestFrontendsShareSlots(t *testing.T) {
	slots := NewSlots(1)
	first := start(t, &Server{Slots: slots}, backend(t, named("1")))
	second := start(t, &Server{Slots: slots}, backend(t, named("2")))
	for range 3 {
		if got := ask(t, first) + ask(t, second); got != "12" {
			t.Fatalf("answers %q", got)
		}
	}
}

// Pins that frontends at a limit of their own leave the slots of others free, and that
// the limit of all holds for them too.
func TestSlotsShared(t *testing.T) {
	all := NewSlots(3)
	few, open := all.Share(1), all.Share(0)
	closed := make(chan struct{})
	close(closed)
	take := func(s *Slots) bool { // without waiting
		select {
		case s.taken <- struct{}{}:
			<-s.taken
			return s.Acquire(nil)
		default:
			return false
		}
	}
	if open != all {
		t.Error("a share without a limit is not all slots")
	}
	if !take(few) || take(few) {
		t.Error("a share of one has not one slot")
	}
	if few.Taken() != 1 || all.Taken() != 1 {
		t.Errorf("taken %d and %d of all, want 1 and 1", few.Taken(), all.Taken())
	}
	for i, want := range []bool{true, true, false} {
		if take(all) != want {
			t.Errorf("slot %d beside the share of one: want %t", i+1, want)
		}
	}
	few.Release()
	if !take(all) {
		t.Error("a released slot of a share is not free for others")
	}
	if few.Acquire(closed) || few.Taken() != 0 {
		t.Errorf("at the limit of all the share is given a slot, or keeps its own: %d taken", few.Taken())
	}
	if s := (*Slots)(nil).Share(1); !take(s) || take(s) {
		t.Error("a limit of no limit has not one slot")
	}
}

// Pins that at the limit of all, the frontend with the most idle connections gives way
// first; and that at its own limit a share asks its own frontends alone.
func TestMostIdleGivesWay(t *testing.T) {
	all := NewSlots(3)
	few := all.Share(1)
	var asked []string
	spare := func(name string, idle int, of *Slots) {
		of.OnFull(func() int { return idle }, func() bool {
			asked = append(asked, name)
			if name == "cannot" {
				return false
			}
			of.Release()
			return true
		})
	}
	spare("few", 1, few)
	spare("some", 5, all)
	spare("cannot", 9, all)
	for _, s := range []*Slots{few, few} { // the second one has to ask
		s.Acquire(nil)
	}
	for range 3 {
		all.Acquire(nil)
	}
	if got, want := strings.Join(asked, " "), "few cannot some"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
	if few.Taken() != 1 || all.Taken() != 3 {
		t.Errorf("taken %d and %d of all, want 1 and 3", few.Taken(), all.Taken())
	}
}

// Pins that slots are released early for a tenth of all connections at most, however many
// frontends share them.
func TestSlotsSpared(t *testing.T) {
	all := NewSlots(20)
	one, other := all.Share(10), all.Share(0)
	for range 5 {
		one.Acquire(nil)
		other.Acquire(nil)
	}
	one.Spare()
	if one.MaySpare() || !other.MaySpare() {
		t.Error("one of ten is not a tenth, or counts as two of twenty")
	}
	other.Spare()
	if other.MaySpare() || all.Taken() != 8 || one.Taken() != 4 {
		t.Errorf("two of twenty are not a tenth, or not released: %d and %d taken", all.Taken(), one.Taken())
	}
	one.Spared()
	if !one.MaySpare() || !other.MaySpare() {
		t.Error("a connection that has ended still counts")
	}
}
