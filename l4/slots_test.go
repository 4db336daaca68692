//go:build linux

package l4

import (
	"io"
	"net"
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
	for _, conn := range conns {
		exchange(t, conn, "x")
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	}
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
