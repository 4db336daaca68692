package l7_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fourseven/health"
	"fourseven/internal/testkit"
	"fourseven/l7"
)

// panicky panics when the first dial that failed is logged.
type panicky struct {
	slog.Handler
	once *sync.Once
}

func (h panicky) Enabled(context.Context, slog.Level) bool { return true }

func (h panicky) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "connect" {
		h.once.Do(func() { panic("in a request") })
	}
	return nil
}

// TestPanic pins that a panic answers 500 and that the server goes on.
func TestPanic(t *testing.T) {
	backend := httpBackend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	p := startProxy(t, func(s *l7.Server) {
		s.Logger = slog.New(panicky{slog.DiscardHandler, new(sync.Once)})
	}, testkit.ReserveAddr(t), backend)
	resp, body := p.do(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if resp.StatusCode != 500 || body != `{"error":"Internal Server Error"}` {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	if resp, _ := p.do(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); resp.StatusCode != 200 {
		t.Errorf("after a panic: %d", resp.StatusCode)
	}
}

// starved fails its first accepts, as a process without descriptors does.
type starved struct {
	net.Listener
	failures atomic.Int32
}

func (l *starved) Accept() (net.Conn, error) {
	if l.failures.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// TestAcceptErrors pins that Serve outlives EMFILE, where fasthttp's own gives up,
// and does not flood the log.
func TestAcceptErrors(t *testing.T) {
	backend := httpBackend(t, func(w http.ResponseWriter, _ *http.Request) {})
	var log bytes.Buffer
	p := startProxy(t, func(s *l7.Server) { s.Logger = slog.New(slog.NewTextHandler(&log, nil)) }, backend)
	ln := &starved{Listener: testkit.Listen(t)}
	ln.failures.Store(3)
	served := make(chan error, 1)
	began := time.Now()
	go func() { served <- p.Serve(ln) }()
	second := &proxy{p.Server, ln.Addr().String()}
	if resp, _ := second.do(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); resp.StatusCode != 200 {
		t.Errorf("after failed accepts: %d", resp.StatusCode)
	}
	_ = ln.Close()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve after its listener was closed: %v", err)
	}
	most := 1 + int(time.Since(began)/time.Second)
	if n := strings.Count(log.String(), "msg=accept"); n < 1 || n > most {
		t.Errorf("%d lines in %s, want one a second:\n%s", n, time.Since(began), log.String())
	}
}

// TestStatsWhileServeStarts pins that Stats may be called before Serve and while it
// starts, as a scrape does: the race detector found what Serve sets up unprotected.
func TestStatsWhileServeStarts(t *testing.T) {
	for range 50 {
		s := newServer()
		servedc := make(chan error, 1)
		statsc := make(chan struct{})
		go func() { defer close(statsc); s.Stats() }()
		go func() { servedc <- s.Serve(testkit.Listen(t)) }()
		<-statsc
		_ = s.Shutdown(t.Context())
		if err := <-servedc; !errors.Is(err, l7.ErrServerClosed) {
			t.Fatalf("Serve: %v", err)
		}
	}
}

// TestShutdownBeforeServe pins that it works in that order, too.
func TestShutdownBeforeServe(t *testing.T) {
	s := newServer()
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(testkit.Listen(t)); !errors.Is(err, l7.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
}

// TestShutdownLeavesNothing pins that requests in flight finish, idle connections
// are closed, and no descriptor is left.
func TestShutdownLeavesNothing(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	backend := httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(asked)
			<-release
		}
		_, _ = io.WriteString(w, "ok")
	})
	s := newServer(health.NewBackend(backend))
	ln := testkit.Listen(t)
	before := testkit.Descriptors(t)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	p := &proxy{s, ln.Addr().String()}

	idle, slow := p.dial(t), p.dial(t)
	idleReader, slowReader := bufio.NewReader(idle), bufio.NewReader(slow)
	const get = "GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
	fmt.Fprintf(idle, get, "")
	readResponse(t, idleReader, "")
	fmt.Fprintf(slow, get, "slow")
	<-asked

	down := make(chan error, 1)
	go func() { down <- s.Shutdown(t.Context()) }()
	if _, err := idleReader.ReadByte(); err != io.EOF {
		t.Errorf("idle connection: %v, want EOF", err)
	}
	close(release)
	if resp, body := readResponse(t, slowReader, ""); body != "ok" || !resp.Close {
		t.Errorf("request in flight: %q, close %v", body, resp.Close)
	}
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-served; !errors.Is(err, l7.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
	_, _ = idle.Close(), slow.Close()
	testkit.Eventually(t, "no descriptor is left", func() bool { return testkit.Descriptors(t) < before }) // the listener is closed too
}
