//go:build linux

package l4

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestShutdownEmptiesQueue pins that clients who wait for a slot while the server is
// shut down are served, and that the limit is kept.
func TestShutdownEmptiesQueue(t *testing.T) {
	const clients, slots = 20, 2
	p := startOn(t, shared(t, "127.0.0.1:0"), &Server{Slots: NewSlots(slots)}, backend(t, echo))
	var conns []*net.TCPConn
	for range clients {
		conns = append(conns, p.dial(t))
	}
	testkit.Eventually(t, "the slots to be taken", func() bool { return p.Active() == slots })
	downc := make(chan error, 1)
	go func() { downc <- p.Shutdown(t.Context()) }()
	for _, conn := range conns {
		if _, err := io.WriteString(conn, "ping"); err != nil {
			t.Error(err)
		}
	}
	for i, conn := range conns {
		answer := make([]byte, 4)
		if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "ping" {
			t.Errorf("client %d: %q, %v", i, answer, err)
		}
		if n := p.Active(); n > slots {
			t.Errorf("%d connections at once, want at most %d", n, slots)
		}
		_ = conn.Close()
	}
	if err := <-downc; err != nil {
		t.Error(err)
	}
}

// TestShutdownOfFullQueue pins that who waits for a slot is given up when the time
// is over.
func TestShutdownOfFullQueue(t *testing.T) {
	p := startOn(t, shared(t, "127.0.0.1:0"), &Server{Slots: NewSlots(1)}, backend(t, echo))
	in, queued := p.dial(t), p.dial(t)
	testkit.Eventually(t, "the slot to be taken", func() bool { return p.Active() == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	wantReset(t, in, "")
	wantReset(t, queued, "")
}
