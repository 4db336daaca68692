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
	"syscall"
	"testing"
	"time"

	"fourseven/health"
	"fourseven/internal/testkit"
	"fourseven/l4"
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

// TestAcceptErrors pins that Serve outlives EMFILE, and does not flood the log; and
// that it ends with the loops.
func TestAcceptErrors(t *testing.T) {
	backend := health.NewBackend(httpBackend(t, func(w http.ResponseWriter, _ *http.Request) {}))
	var log bytes.Buffer
	s := newServer(backend)
	s.Logger = slog.New(slog.NewTextHandler(&log, nil))
	loops, err := l4.NewLoops(nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.Loops = loops
	ln := testkit.Listen(t)
	served := make(chan error, 1)
	began := time.Now()
	go func() { served <- s.Serve(ln) }()
	p := &proxy{s, ln.Addr().String()}
	if resp, _ := p.do(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); resp.StatusCode != 200 {
		t.Errorf("before failed accepts: %d", resp.StatusCode)
	}
	nc := dialWithoutDescriptors(t, p, func() bool { return s.Stats().AcceptErrors >= 3 })
	_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if resp, _ := readResponse(t, bufio.NewReader(nc), "GET"); resp.StatusCode != 200 {
		t.Errorf("after failed accepts: %d", resp.StatusCode)
	}
	_ = loops.Close()
	if err := <-served; errors.Is(err, l7.ErrServerClosed) || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve after its loops were closed: %v", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	most := 1 + int(time.Since(began)/time.Second)
	if n := strings.Count(log.String(), "msg=accept"); n < 1 || n > most {
		t.Errorf("%d lines in %s, want one a second:\n%s", n, time.Since(began), log.String())
	}
}

// dialWithoutDescriptors connects to the proxy, which has no descriptor for it until
// enough returns true.
func dialWithoutDescriptors(t *testing.T, p *proxy, enough func() bool) net.Conn {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	lowered := limit
	lowered.Cur = 1
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) }()
	d := net.Dialer{Control: func(string, string, syscall.RawConn) error { // the client has its descriptor
		return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lowered)
	}}
	nc, err := d.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	testkit.Eventually(t, "accepts to fail", enough)
	return nc
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
