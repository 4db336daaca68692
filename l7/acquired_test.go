package l7

import (
	"testing"

	"fourseven/health"
)

// TestReleaseTwice pins what release does with the connection, that it shows the
// connection to no other fiber afterwards, and that a second call does nothing.
func TestReleaseTwice(t *testing.T) {
	for _, tt := range []struct {
		name       string
		use        use
		open, idle int // connections of the pool afterwards
	}{
		{"cut off", cutOff, 0, 0},
		{"complete", complete, 0, 0},
		{"reusable", reusable, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pool := health.NewPool(health.NewBackend("127.0.0.1:1"))
			pool.MarkAllUp()
			s := &Server{Pool: pool}
			s.upstreams.init(s, 1)
			l := ofOneLoop(t, s)
			c := &conn{srv: s, loop: l}
			turn := pool.TurnFor(c.peer)
			a := acquired{client: c, backend: turn.Next()}
			b, up := a.backend, s.upstreams.of(a.backend)
			up.open = 1
			if err := a.attach(newBackendConn(l.connected(t), up, l)); err != nil || c.backend == nil || b.Active() != 1 {
				t.Fatalf("attach: %v, shown %v, %d active", err, c.backend != nil, b.Active())
			}
			a.use = tt.use
			for range 2 {
				l.call(a.release)
				if c.backend != nil || b.Active() != 0 || up.open != tt.open || len(up.idle[0]) != tt.idle {
					t.Errorf("shown %v, %d active, %d open, %d idle", c.backend != nil, b.Active(), up.open, len(up.idle[0]))
				}
			}
		})
	}
}
