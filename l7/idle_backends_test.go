package l7_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fourseven/health"
	"fourseven/internal/testkit"
	"fourseven/l7"
)

// countingBackend responds to all requests of a connection, and counts those that are
// open.
func countingBackend(t *testing.T, open *atomic.Int32) string {
	return scriptedBackend(t, func(nc net.Conn) {
		open.Add(1)
		defer open.Add(-1)
		answerAll(nc, plainAnswer)
	})
}

// TestMaxIdleBackendConns pins that the unused connections to all backends together
// keep to their limit: with source_hash and several backends they took the descriptors
// that clients needed.
func TestMaxIdleBackendConns(t *testing.T) {
	const limit, clients = 3, 8
	var open [3]atomic.Int32
	configure := func(s *l7.Server) { s.MaxIdleBackendConns, s.BackendKeepalive = limit, time.Hour }
	p := startProxy(t, configure, countingBackend(t, &open[0]), countingBackend(t, &open[1]), countingBackend(t, &open[2]))
	askAtOnce(t, p, clients)
	askAtOnce(t, p, clients)
	testkit.Eventually(t, "the others are closed", func() bool {
		return open[0].Load()+open[1].Load()+open[2].Load() == limit
	})
	for range limit { // those that are left can be used
		if resp, _ := p.do(t, get); resp.StatusCode != 200 {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
}

// askAtOnce sends n requests whose bodies are not complete before all backends'
// connections are open, so that there are n.
func askAtOnce(t *testing.T, p *proxy, n int) {
	t.Helper()
	conns := make([]*net.TCPConn, n)
	for i := range conns {
		conns[i] = p.dial(t)
		_, _ = io.WriteString(conns[i], "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
	}
	testkit.Eventually(t, "all requests to be active", func() bool { return p.Active() == n })
	for _, nc := range conns {
		_, _ = io.WriteString(nc, "x")
		readResponse(t, bufio.NewReader(nc), post)
		_ = nc.Close()
	}
}

// TestBackendKeepalive pins how long an unused connection is kept.
func TestBackendKeepalive(t *testing.T) {
	for _, tt := range []struct {
		name      string
		keepalive time.Duration
		closes    bool
	}{
		{"short", 100 * time.Millisecond, true},
		{"long", time.Hour, false},
		{"none", -1, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var open atomic.Int32
			p := startProxy(t, func(s *l7.Server) { s.BackendKeepalive = tt.keepalive }, countingBackend(t, &open))
			p.do(t, get)
			if tt.closes {
				testkit.Eventually(t, "the connection is closed", func() bool { return open.Load() == 0 })
			} else if open.Load() != 1 {
				t.Error("closed at once")
			}
		})
	}
}

// TestNoBackendKeepalive pins that each request has a connection of its own, and that
// the backend is told.
func TestNoBackendKeepalive(t *testing.T) {
	var conns atomic.Int32
	p := startProxy(t, func(s *l7.Server) { s.BackendKeepalive = -1 }, scriptedBackend(t, func(nc net.Conn) {
		conns.Add(1)
		br := bufio.NewReader(nc)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			body := "kept"
			if req.Close {
				body = "once"
			}
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"+body)
		}
	}))
	nc := p.dial(t)
	br := bufio.NewReader(nc)
	for _, request := range []string{get, strings.Replace(get, "\r\n\r\n", "\r\nTE: trailers\r\nConnection: TE\r\n\r\n", 1), get} {
		_, _ = io.WriteString(nc, request)
		if _, body := readResponse(t, br, request); body != "once" {
			t.Errorf("the backend took the request for one that keeps its connection: %q", request)
		}
	}
	if n := conns.Load(); n != 3 {
		t.Errorf("%d connections for 3 requests", n)
	}
}

// TestGiveUpIdle pins that a backend that serves one connection at a time passes its
// probe while clients keep their connections through the proxy busy: our unused
// connection to it made every probe time out.
func TestGiveUpIdle(t *testing.T) {
	servedc := make(chan struct{}, 1)
	p := startProxy(t, func(s *l7.Server) { s.BackendKeepalive = time.Hour }, scriptedBackend(t, func(nc net.Conn) {
		servedc <- struct{}{} // one at a time
		defer func() { <-servedc }()
		answerAll(nc, plainAnswer)
	}))
	p.do(t, get)
	b := p.Pool.Backends()[0]
	failed := make(chan error, 100)
	probe := health.HTTP{Path: "/", Accepts: func(int) bool { return true }}.Probe
	c := &health.Checker{
		Pool: p.Pool, Interval: time.Hour, FastInterval: time.Hour, Timeout: 2 * time.Second, Fall: 1,
		Probe: func(ctx context.Context, b *health.Backend) error {
			err := probe(ctx, b)
			failed <- err
			return err
		},
		Relieve: func(b *health.Backend) bool { return p.GiveUpIdle(b, time.Hour) },
	}
	ctx, cancel := context.WithCancel(t.Context())
	donec := make(chan struct{})
	go func() { _ = c.Run(ctx); close(donec) }()
	defer func() { cancel(); <-donec }()
	b.Suspect()
	select {
	case err := <-failed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("not probed")
	}
	if !p.Pool.Ready() {
		t.Error("down")
	}
	// In the time of the probe no connection is kept.
	p.do(t, get)
	if !p.GiveUpIdle(b, 0) {
		t.Error("a connection that was closed meanwhile is not reported")
	}
	if p.GiveUpIdle(b, 0) {
		t.Error("reported again")
	}
}
