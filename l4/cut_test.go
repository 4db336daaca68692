package l4

import (
	"context"
	"net"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// Pins that closing ends the connections to one backend alone, at the rate that
// was asked for, and each by a reset.
func TestCloseIsPaced(t *testing.T) {
	one, two := backend(t, echo), backend(t, echo)
	p := start(t, &Server{}, one, two)
	conns := map[string][]net.Conn{}
	for i := range 40 { // in turn
		conn := p.dial(t)
		wantEcho(t, conn)
		conns[[]string{one.Addr, two.Addr}[i%2]] = append(conns[[]string{one.Addr, two.Addr}[i%2]], conn)
	}
	if n := p.Relays.Open(one); n != 20 {
		t.Fatalf("%d live connections, want 20", n)
	}
	began := time.Now()
	p.Relays.Close(t.Context(), one, 100)
	if took := time.Since(began); took < 150*time.Millisecond {
		t.Errorf("20 connections at 100 a second took %s", took)
	}
	for _, conn := range conns[one.Addr] {
		wantReset(t, conn, "")
		if rec := p.wantEnding(t, OperatorClose); rec.Backend != one.Addr {
			t.Errorf("closed a connection to %s, want %s", rec.Backend, one.Addr)
		}
	}
	for _, conn := range conns[two.Addr] {
		wantEcho(t, conn)
	}
}

// Pins that a close that is under way ends with its context.
func TestCloseEndsWithItsContext(t *testing.T) {
	b := backend(t, echo)
	p := start(t, &Server{}, b)
	conn := p.dial(t)
	wantEcho(t, conn)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Relays.Close(ctx, b, 1)
	wantEcho(t, conn)
}

// Pins that a backend's bytes are counted while a connection lives, and exact when
// it has ended.
func TestBackendTraffic(t *testing.T) {
	b := backend(t, echo)
	p := start(t, &Server{}, b)
	conn := p.dial(t)
	wantEcho(t, conn)
	testkit.Eventually(t, "the bytes of a live connection are counted", func() bool {
		return b.Traffic().Received.Load() > 0 && b.Traffic().Sent.Load() > 0
	})
	for range 100 {
		wantEcho(t, conn)
	}
	_ = conn.CloseWrite()
	rec := p.wantEnding(t, EOF)
	if in, out := b.Traffic().Received.Load(), b.Traffic().Sent.Load(); in != rec.Received || out != rec.Sent || in == 0 {
		t.Errorf("backend: %d in, %d out; record: %d in, %d out", in, out, rec.Received, rec.Sent)
	}
	if s := p.Stats(); s.Received != rec.Received || s.Sent != rec.Sent || s.Connections != 1 {
		t.Errorf("%+v", s)
	}
}
