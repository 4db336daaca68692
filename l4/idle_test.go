//go:build linux

package l4

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fourseven/health"
	"fourseven/internal/loop"
	"fourseven/internal/testkit"
)

// copying returns how many fibers copy, or wait to.
func copying(t testing.TB) (n int) {
	t.Helper()
	var profile strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(stack, "l4.(*relay).copy") {
			count, _, _ := strings.Cut(stack, " ")
			fibers, err := strconv.Atoi(count)
			if err != nil {
				t.Fatalf("%v in\n%s", err, stack)
			}
			n += fibers
		}
	}
	return n
}

// bulky sends much there and back, which takes a fiber for each direction.
func bulky(t *testing.T, from, to *net.TCPConn) {
	t.Helper()
	data := random(1 << 20)
	for _, conns := range [][2]*net.TCPConn{{from, to}, {to, from}} {
		go func() { _, _ = conns[0].Write(data) }()
		got := make([]byte, len(data))
		if _, err := io.ReadFull(conns[1], got); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("what was sent differs: %v", err)
		}
	}
}

// Pins that an idle connection has no goroutine.
func TestIdleConnectionHasNoGoroutine(t *testing.T) {
	if loop.MaxPipes == 0 {
		t.Skip("the portable loops keep one")
	}
	const warm, n = 16, 100
	_, addr := queue(t, warm+n)
	p := start(t, &Server{}, health.NewBackend(addr))
	for range warm {
		bareClient(t, p.addr)
	}
	testkit.Eventually(t, "the first are relayed", func() bool { return p.Relays.Open(p.Pool.Backends()[0]) == warm })
	before := runtime.NumGoroutine()
	for range n {
		bareClient(t, p.addr)
	}
	testkit.Eventually(t, "all are relayed", func() bool { return p.Relays.Open(p.Pool.Backends()[0]) == warm+n })
	testkit.Eventually(t, "their goroutines are gone", func() bool { return runtime.NumGoroutine() <= before })
}

func TestIdleConnectionWakes(t *testing.T) {
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
			p := start(t, &Server{}, backend(t, func(conn *net.TCPConn) {
				backendc <- conn
				<-t.Context().Done() // until then it is the test's
			}))
			client := p.dial(t)
			other := <-backendc
			for range 2 { // idle more than once
				bulky(t, client, other)
				testkit.Eventually(t, "the fibers have ended", func() bool { return copying(t) == 0 })
				_, _ = client.Write([]byte("x"))
				_, _ = io.ReadFull(other, make([]byte, 1))
			}
			tt.do(t, p, client, other)
			p.wantEnding(t, tt.want)
			testkit.Eventually(t, "no fiber is left", func() bool { return copying(t) == 0 })
		})
	}
}

// Many connections that speak just when their fibers end: nothing is lost, and all of
// them end.
func TestIdlingLosesNothing(t *testing.T) {
	p := start(t, &Server{}, backend(t, echo))
	var wg sync.WaitGroup
	var messages atomic.Int64
	for range 50 {
		conn := p.dial(t)
		wg.Go(func() {
			defer func() { _ = conn.Close() }()
			for began := time.Now(); time.Since(began) < 4*time.Second; {
				msg := random(1 + rand.IntN(200<<10))
				go func() { _, _ = conn.Write(msg) }()
				got := make([]byte, len(msg))
				if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, msg) {
					t.Errorf("after %d messages: %v", messages.Load(), err)
					return
				}
				messages.Add(1)
				time.Sleep(400*time.Millisecond + rand.N(800*time.Millisecond)) // fibers end after 0.5 to 1 s
			}
		})
	}
	wg.Wait()
	for range 50 {
		p.wantEnding(t, EOF)
	}
	t.Logf("%d messages", messages.Load())
}
