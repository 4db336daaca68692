//go:build linux

package l4

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fourseven/health"
	"fourseven/internal/testkit"
)

// parked returns how many directions wait in the parker.
func (p *proxy) parked() int {
	parker := p.Relays.lot.parker.Load()
	if parker == nil {
		return 0
	}
	parker.mu.Lock()
	defer parker.mu.Unlock()
	return len(parker.parked)
}

// quickly returns a server that parks what is silent for a few milliseconds.
func quickly() *Server {
	return &Server{Relays: Relays{lot: parkingLot{after: 5 * time.Millisecond}}}
}

// Pins that an idle connection has no goroutine.
func TestIdleConnectionHasNoGoroutine(t *testing.T) {
	const n = 100
	_, addr := queue(t, n+1)
	p := start(t, quickly(), health.NewBackend(addr))
	for range spareWorkers {
		bareClient(t, p.addr)
	}
	testkit.Eventually(t, "the first are parked", func() bool { return p.parked() == 2*spareWorkers })
	before := runtime.NumGoroutine()
	for range n - spareWorkers {
		bareClient(t, p.addr)
	}
	testkit.Eventually(t, "all are parked", func() bool { return p.parked() == 2*n })
	testkit.Eventually(t, "their goroutines are gone", func() bool { return runtime.NumGoroutine() <= before+spareWorkers })
}

func TestParkedConnectionWakes(t *testing.T) {
	backendc := make(chan *net.TCPConn, 1)
	tests := []struct {
		name string
		do   func(t *testing.T, p *proxy, client, backend *net.TCPConn)
		want Ending
	}{
		{"client speaks", func(t *testing.T, _ *proxy, client, backend *net.TCPConn) {
			_, _ = client.Write([]byte("hello"))
			if _, err := io.ReadFull(backend, make([]byte, 5)); err != nil {
				t.Error(err)
			}
			_ = client.Close()
			_ = backend.Close()
		}, EOF},
		{"backend speaks", func(t *testing.T, _ *proxy, client, backend *net.TCPConn) {
			_, _ = backend.Write([]byte("hello"))
			if _, err := io.ReadFull(client, make([]byte, 5)); err != nil {
				t.Error(err)
			}
			_ = backend.Close()
			_ = client.Close()
		}, EOF},
		{"half-close and an answer", func(t *testing.T, _ *proxy, client, backend *net.TCPConn) {
			_ = client.CloseWrite()
			_, _ = io.Copy(io.Discard, backend)
			_, _ = backend.Write(random(1 << 20))
			_ = backend.Close()
			if n, err := io.Copy(io.Discard, client); n != 1<<20 || err != nil {
				t.Errorf("%d bytes, %v", n, err)
			}
		}, EOF},
		{"client reset", func(t *testing.T, _ *proxy, client, backend *net.TCPConn) {
			Reset(client)
			wantReset(t, backend, "")
		}, ClientReset},
		{"backend reset", func(t *testing.T, _ *proxy, client, backend *net.TCPConn) {
			Reset(backend)
			wantReset(t, client, "")
		}, BackendReset},
		{"cut", func(t *testing.T, p *proxy, client, backend *net.TCPConn) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := p.stop(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			wantReset(t, client, "")
			wantReset(t, backend, "")
		}, Drain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t, quickly(), backend(t, func(conn *net.TCPConn) {
				backendc <- conn
				<-t.Context().Done() // until then it is the test's
			}))
			client := p.dial(t)
			other := <-backendc
			for range 3 { // parked more than once
				testkit.Eventually(t, "both directions are parked", func() bool { return p.parked() == 2 })
				_, _ = client.Write([]byte("x"))
				_, _ = io.ReadFull(other, make([]byte, 1))
			}
			testkit.Eventually(t, "both directions are parked", func() bool { return p.parked() == 2 })
			tt.do(t, p, client, other)
			p.wantEnding(t, tt.want)
			testkit.Eventually(t, "nothing is parked any more", func() bool { return p.parked() == 0 })
		})
	}
}

// Many connections that speak just when they are being parked: nothing is lost,
// and all of them end.
func TestParkingLosesNothing(t *testing.T) {
	p := start(t, &Server{Relays: Relays{lot: parkingLot{after: time.Millisecond}}}, backend(t, echo))
	var wg sync.WaitGroup
	var messages atomic.Int64
	for range 50 {
		conn := p.dial(t)
		wg.Go(func() {
			defer func() { _ = conn.Close() }()
			for began := time.Now(); time.Since(began) < 2*time.Second; {
				msg := random(1 + rand.IntN(40<<10))
				go func() { _, _ = conn.Write(msg) }()
				if _, err := io.ReadFull(conn, make([]byte, len(msg))); err != nil {
					t.Errorf("after %d messages: %v", messages.Load(), err)
					return
				}
				messages.Add(1)
				time.Sleep(rand.N(4 * time.Millisecond))
			}
		})
	}
	wg.Wait()
	for range 50 {
		p.wantEnding(t, EOF)
	}
	t.Logf("%d messages", messages.Load())
}
