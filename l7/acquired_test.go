package l7

import (
	"net"
	"testing"

	"fourseven/health"
)

// TestReleaseTwice pins what release does with the connection, that it shows the
// connection to no other goroutine afterwards, and that a second call does nothing.
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
			s.upstreams.init(s)
			c := &conn{srv: s}
			turn := pool.TurnFor(c.peer)
			a := acquired{client: c, backend: turn.Next()}
			b, up := a.backend, s.upstreams.of(a.backend)
			up.open = 1
			near, far := net.Pipe()
			defer func() { _, _ = near.Close(), far.Close() }()
			if err := a.attach(newBackendConn(near, up)); err != nil || c.backend.Load() == nil || b.Active() != 1 {
				t.Fatalf("attach: %v, shown %v, %d active", err, c.backend.Load() != nil, b.Active())
			}
			a.use = tt.use
			for range 2 {
				a.release()
				if c.backend.Load() != nil || b.Active() != 0 || up.open != tt.open || len(up.idle) != tt.idle {
					t.Errorf("shown %v, %d active, %d open, %d idle", c.backend.Load() != nil, b.Active(), up.open, len(up.idle))
				}
			}
		})
	}
}
