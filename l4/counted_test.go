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

// Pins that the cheap statistics have the bytes of open connections a little later, and of
// those that have ended at once.
func TestRecentStats(t *testing.T) {
	p := start(t, &Server{}, backend(t, echo))
	conn := p.dial(t)
	exchange(t, conn, "four")
	testkit.Eventually(t, "the bytes of an open connection", func() bool { return p.RecentStats() == p.Server.Stats() })
	if stats := p.RecentStats(); stats.Received != 4 || stats.Sent != 4 || stats.Active != 1 || stats.Connections != 1 {
		t.Errorf("%+v", stats)
	}
	exchange(t, conn, "five!")
	_ = conn.Close()
	p.wantEnding(t, EOF)
	if stats := p.RecentStats(); stats.Received != 9 || stats.Sent != 9 {
		t.Errorf("at the end: %+v", stats)
	}
}
