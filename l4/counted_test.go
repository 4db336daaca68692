package l4

import (
	"testing"

	"fourseven/internal/testkit"
)

// Pins that connections are counted apart from requests, while they are open and
// afterwards, and that a failed dial leaves none.
func TestConnectionsAreCountedApart(t *testing.T) {
	one, dead := backend(t, echo), refusing(t)
	p := start(t, &Server{Retries: 1}, one, dead)
	for range 4 {
		conn := p.dial(t)
		exchange(t, conn, "x")
		if n, open := one.Conns(); open != 1 || n == 0 {
			t.Errorf("%d connections, %d open, want one open", n, open)
		}
		_ = conn.Close()
		testkit.Eventually(t, "the connection has ended", func() bool { return one.Active() == 0 })
	}
	if n, open := one.Conns(); n != 4 || open != 0 {
		t.Errorf("%d connections, %d open, want 4 and none", n, open)
	}
	if n, open := dead.Conns(); n != 0 || open != 0 {
		t.Errorf("the backend that refuses: %d connections, %d open, want none", n, open)
	}
	if n, inFlight := one.Requests(); n != 0 || inFlight != 0 {
		t.Errorf("%d requests, %d in flight, want none", n, inFlight)
	}
	if dials := one.Connects(); dials.Count() != 4 || dials.Sum <= 0 {
		t.Errorf("%d dials in %v, want 4", dials.Count(), dials.Sum)
	}
}
