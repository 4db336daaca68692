//go:build !portable

package loop

import (
	"context"
	"net"
	"testing"
	"time"
)

// accepting starts an Accept in a view's loop and returns when it waits.
func accepting(t *testing.T, v *Listener) <-chan net.Conn {
	t.Helper()
	c := make(chan net.Conn, 1)
	v.Loop().Go(func() {
		conn, err := v.Accept()
		if err != nil {
			t.Error(err)
		}
		c <- conn
	})
	in(t, v.Loop(), func() {})
	return c
}

func wantConn(t *testing.T, what string, c <-chan net.Conn) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(wait):
		t.Fatalf("not accepted: %s", what)
	}
}

// The kernel reports a new connection to one loop only. If no Accept waits for it there or
// in another loop, the next Accept must find it, whatever it does to save a call.
func TestMissedConnection(t *testing.T) {
	g := newGroup(t, Config{})
	ln := listen(t)
	views, err := g.Listen(ln)
	if err != nil {
		t.Fatal(err)
	}
	first, second := views[0], views[1]
	one, two := accepting(t, first), accepting(t, second)
	_ = dial(t, ln.Addr().String())
	select { // mostly the kernel asks them in this order
	case <-one:
	case <-two:
		first, second, two = second, first, one
	case <-time.After(wait):
		t.Fatal("not accepted by any loop")
	}
	release := make(chan struct{})
	first.Loop().Go(func() { <-release }) // the kernel passes over it
	_ = dial(t, ln.Addr().String())
	wantConn(t, "by the second loop", two)
	close(release)
	in(t, first.Loop(), func() {})

	_ = dial(t, ln.Addr().String()) // neither waits
	told := func(v *Listener) bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.number == 0
	}
	eventually(t, "one loop was told", func() bool { return told(first) || told(second) })
	if told(second) {
		wantConn(t, "by the loop that was not told", accepting(t, first))
	} else {
		wantConn(t, "by the loop that was not told", accepting(t, second))
	}
}

// A fiber that waits in Accept may be resumed by a timer that an earlier wait has left
// set. No connection is lost by that.
func TestAcceptAfterADial(t *testing.T) {
	g := newGroup(t, Config{Loops: 1})
	l := g.Loops()[0]
	ln := listen(t)
	views, err := g.Listen(ln)
	if err != nil {
		t.Fatal(err)
	}
	backend := listen(t)
	acceptedc := make(chan net.Conn, 2)
	var f *fiber
	l.Go(func() {
		f = l.running
		if _, err := l.Dial(t.Context(), addrOf(backend), 20*time.Millisecond); err != nil {
			t.Error(err)
		}
		if !f.sleeper.set() {
			t.Error("no timer was left, so that this tests nothing")
		}
		for range 2 {
			conn, err := views[0].Accept()
			if err != nil {
				t.Error(err)
			}
			acceptedc <- conn
		}
	})
	eventually(t, "the timer has fired", func() (fired bool) {
		in(t, l, func() { fired = !f.sleeper.set() })
		return fired
	})
	for range 2 {
		_ = dial(t, ln.Addr().String())
		wantConn(t, "after the timer", acceptedc)
	}
}

// A context ends its own connects and no others.
func TestDialsOfTwoContexts(t *testing.T) {
	to := addrOf(full(t))
	l := oneLoop(t)
	endc := make(chan int, 3)
	begin := func(n int) context.CancelFunc {
		ctx, cancel := context.WithCancel(t.Context())
		l.Go(func() {
			_, err := l.Dial(ctx, to, wait)
			wantOp(t, err, "dial", context.Canceled)
			endc <- n
		})
		return cancel
	}
	first, second := begin(1), begin(2)
	eventually(t, "both are under way", func() (ok bool) {
		in(t, l, func() { ok = len(l.dials.groups) == 2 })
		return ok
	})
	for i, cancel := range []context.CancelFunc{second, first} {
		cancel()
		select {
		case n := <-endc:
			if n != 2-i {
				t.Errorf("dial %d ended, want %d", n, 2-i)
			}
		case <-time.After(wait):
			t.Fatal("the dial goes on")
		}
	}
	eventually(t, "one group is kept at most", func() (ok bool) {
		in(t, l, func() { ok = len(l.dials.groups) <= 1 })
		return ok
	})
}
