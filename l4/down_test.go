package l4

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"fourseven/health"
)

// takeDown makes a probe of these backends fail, as the checker does.
func takeDown(t *testing.T, pool *health.Pool, down ...*health.Backend) {
	t.Helper()
	probe := func(_ context.Context, b *health.Backend) error {
		for _, d := range down {
			if d == b {
				return errors.New("down")
			}
		}
		return nil
	}
	(&health.Checker{Pool: pool, Probe: probe, Timeout: wait}).CheckAll(t.Context())
}

// Pins that the connections of a backend that goes down are reset, for that
// reason, and those of others go on; and that none begins to it any more.
func TestCutBackend(t *testing.T) {
	one, two := backend(t, echo), backend(t, echo)
	p := start(t, &Server{Relays: Relays{CutOnDown: true}}, one, two)
	p.Pool.OnTransition = func(tr health.Transition) {
		if !tr.WentDown {
			return
		}
		if n := p.Relays.CutBackend(tr.Backend); n != 1 {
			t.Errorf("cut %d connections, want 1", n)
		}
	}
	first := p.dial(t)
	wantEcho(t, first) // it has had its turn
	second := p.dial(t)
	wantEcho(t, second)
	takeDown(t, p.Pool, one)
	wantReset(t, first, "")
	if rec := p.wantEnding(t, BackendDown); rec.Backend != one.Addr {
		t.Errorf("a connection to %s was cut, want %s", rec.Backend, one.Addr)
	}
	wantEcho(t, second)

	// One that was dialled just before meets a backend that is down by now.
	endc := make(chan Ending, 1)
	l := p.Loops.Loops()[0]
	l.Go(func() {
		conn, err := (&Dialer{}).DialIn(context.Background(), l, one, Hello{})
		if err != nil {
			t.Error(err)
			return
		}
		client, err := (&Dialer{}).DialIn(context.Background(), l, two, Hello{})
		if err != nil {
			t.Error(err)
			return
		}
		p.Relays.Start(client, conn, one, func(_, _ int64, why Ending) { endc <- why })
	})
	select {
	case why := <-endc:
		if why != BackendDown {
			t.Errorf("the late one ended with %s", why)
		}
	case <-time.After(wait):
		t.Error("the late one goes on")
	}
}

// wantEcho sends a byte there and back.
func wantEcho(t *testing.T, conn net.Conn) {
	t.Helper()
	b := []byte{7}
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(b); err != nil {
		t.Fatal(err)
	}
}

// Pins what is held against a backend: a connection that it broke before it said
// anything makes the checker look, and takes it out of nothing; one that it broke
// later is the client's affair.
func TestResetBeforeTheFirstByteIsSuspicious(t *testing.T) {
	for _, tt := range []struct {
		name     string
		says     string
		suspects bool
	}{
		{"at once", "", true},
		{"after a word", "hello", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := backend(t, func(conn *net.TCPConn) {
				_, _ = conn.Write([]byte(tt.says))
				_, _ = conn.Read(make([]byte, 1))
				Reset(conn)
			})
			p := start(t, &Server{}, b)
			probed := watchProbes(t, p.Pool)
			conn := p.dial(t)
			if _, err := conn.Read(make([]byte, len(tt.says))); err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write([]byte("x"))
			wantReset(t, conn, "")
			p.wantEnding(t, BackendReset)
			select {
			case <-probed:
				if !tt.suspects {
					t.Error("suspected")
				}
			case <-time.After(map[bool]time.Duration{true: wait, false: 50 * time.Millisecond}[tt.suspects]):
				if tt.suspects {
					t.Error("not probed")
				}
			}
			if s := b.Status().State; s != health.Up {
				t.Errorf("the backend is %s because of one client", s)
			}
		})
	}
}

// watchProbes runs a checker that would not probe within the hour by itself.
func watchProbes(t *testing.T, pool *health.Pool) <-chan struct{} {
	t.Helper()
	probedc := make(chan struct{}, 100)
	probe := func(context.Context, *health.Backend) error { probedc <- struct{}{}; return nil }
	c := &health.Checker{Pool: pool, Probe: probe, Interval: time.Hour, FastInterval: time.Hour, Timeout: wait}
	ctx, cancel := context.WithCancel(t.Context())
	donec := make(chan struct{})
	go func() { _ = c.Run(ctx); close(donec) }()
	t.Cleanup(func() { cancel(); <-donec })
	return probedc
}
