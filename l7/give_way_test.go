package l7_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fourseven/health"
	"fourseven/internal/testkit"
	"fourseven/l4"
	"fourseven/l7"
)

// startBoth serves L7, and L4 with the same slots in front of the same backend.
func startBoth(t *testing.T, slots *l4.Slots, backend string) (p *proxy, l4Addr string) {
	t.Helper()
	p = startProxy(t, func(s *l7.Server) { s.Slots, s.IdleTimeout = slots, time.Hour }, backend)
	pool := health.NewPool(health.NewBackend(backend))
	pool.MarkAllUp()
	tcp := &l4.Server{Pool: pool, Slots: slots}
	ln, err := l4.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	servedc := make(chan error, 1)
	go func() { servedc <- tcp.Serve(ln) }()
	t.Cleanup(func() {
		_ = tcp.Shutdown(t.Context()) // done: it cuts
		<-servedc
	})
	return p, ln.Addr().String()
}

// TestGiveWay pins that at the limit of connections the HTTP connection that has been
// idle longest is closed for a new client of either frontend, which had to wait for the
// idle time-out, and that its client sees the end of the stream.
func TestGiveWay(t *testing.T) {
	slots := l4.NewSlots(10)
	p, tcp := startBoth(t, slots, httpBackend(t, answerOK))
	var idle []*net.TCPConn
	for range 8 {
		nc := p.dial(t)
		_, _ = io.WriteString(nc, get)
		if resp, _ := readResponse(t, bufio.NewReader(nc), get); resp.Close {
			t.Fatal("told to close below nine tenths of the limit")
		}
		idle = append(idle, nc)
		<-time.After(2 * 50 * time.Millisecond) // two pulses: idle for longer than the next
	}
	for i, addr := range []string{tcp, tcp, tcp, p.addr} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = nc.Close() }()
		_ = nc.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(nc, get)
		resp, _ := readResponse(t, bufio.NewReader(nc), get)
		if addr == p.addr && !resp.Close {
			t.Error("not told to close at the limit")
		}
		if gone := max(i-1, 0); gone > 0 {
			if _, err := idle[gone-1].Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("client %d: %v, want the end of the stream", gone-1, err)
			}
		}
	}
	for _, nc := range idle[2:] { // no more than needed gave way
		_, _ = io.WriteString(nc, get)
		readResponse(t, bufio.NewReader(nc), get)
	}
}

// TestGiveWayToMany pins that clients that do not notice that they were half-closed
// make the new ones wait for each other only past a tenth of the limit.
func TestGiveWayToMany(t *testing.T) {
	slots := l4.NewSlots(20)
	p, tcp := startBoth(t, slots, httpBackend(t, answerOK))
	for range 17 {
		nc := p.dial(t)
		_, _ = io.WriteString(nc, get)
		readResponse(t, bufio.NewReader(nc), get)
	}
	for range 8 {
		nc, err := net.Dial("tcp", tcp)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = nc.Close() }()
		_ = nc.SetDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(nc, get)
		readResponse(t, bufio.NewReader(nc), get)
	}
	testkit.Eventually(t, "the half-closed connections to end", func() bool { return p.Stats().Active+8 <= slots.Limit() })
}

// TestGiveWayRace pins that a request which meets its connection's giving way gets a
// whole response or the end of the stream before any byte of one.
func TestGiveWayRace(t *testing.T) {
	const limit = 10
	slots := l4.NewSlots(limit)
	p, _ := startBoth(t, slots, httpBackend(t, answerOK))
	var served, gaveWay atomic.Int32
	var wg sync.WaitGroup
	for range 2 * limit {
		wg.Go(func() {
			for served.Load() < 2000 {
				nc, err := net.Dial("tcp", p.addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = nc.SetDeadline(time.Now().Add(patience))
				br := bufio.NewReader(nc)
				for range 5 {
					_, _ = io.WriteString(nc, get)
					if _, err := br.Peek(1); err != nil {
						if !errors.Is(err, io.EOF) {
							t.Errorf("instead of a response: %v", err)
						}
						gaveWay.Add(1)
						break
					}
					resp, err := http.ReadResponse(br, nil)
					if err != nil {
						t.Errorf("a part of a response: %v", err)
						break
					}
					if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "ok" {
						t.Errorf("body %q, %v", body, err)
					}
					if served.Add(1); resp.Close {
						break
					}
				}
				_ = nc.Close()
			}
		})
	}
	wg.Wait()
	t.Logf("%d served, %d closed before a response", served.Load(), gaveWay.Load())
	testkit.Eventually(t, "all slots to be free", func() bool { return slots.Taken() == 0 })
}
