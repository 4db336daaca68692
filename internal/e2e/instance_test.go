//go:build linux

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestReadiness(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 1)[0]
	lb := serve(t, "LB_BACKENDS="+b.addr)
	ready := func() string {
		a, err := ask(lb.admin, "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %s", a.status, a.body)
	}
	if got := ready(); got != "200 ready\n" {
		t.Errorf("/readyz: got %q", got)
	}
	b.stop()
	waitUntil(t, interval+fastInterval+margin, "/readyz to fail", func() bool { return ready() == "503 no backend is up\n" })
	if got := mustAsk(t, lb.admin, "/healthz"); got != "ok\n" {
		t.Errorf("/healthz: got %q", got)
	}
	b.start(t)
	waitUntil(t, fastInterval+margin, "/readyz to pass", func() bool { return ready() == "200 ready\n" })
}

// TestSignalDuringFirstProbes pins that a signal need not wait for a backend
// that does not answer its first probe.
func TestSignalDuringFirstProbes(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	p := start(t, fourseven(quick("LB_BACKENDS="+ln.Addr().String(), "LB_HEALTH_TIMEOUT=10m")))
	probe, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = probe.Close() }()
	p.signal(syscall.SIGTERM)
	p.wantExit(exitOK)
}

// TestShutdownDelay pins that new clients are served while /readyz tells their
// balancer not to send any more.
func TestShutdownDelay(t *testing.T) {
	t.Parallel()
	lb := serve(t, backendsOf(startBackends(t, 2)), "LB_SHUTDOWN_DELAY=2s")
	began := time.Now()
	lb.signal(syscall.SIGTERM)
	lb.awaitSaid(1, "msg=draining", patience)
	for range 4 {
		if a, err := ask(lb.admin, "/readyz"); err != nil || a.status != 503 || a.body != "draining\n" {
			t.Errorf("/readyz: status %d %q, %v, want 503 draining", a.status, a.body, err)
		}
		if got := whose(t, lb.l4, lb.l7); got != "12" {
			t.Errorf("answers from %s, want 12", got)
		}
	}
	lb.wantExit(exitOK)
	if took := time.Since(began); took < 2*time.Second || took > 2*time.Second+margin {
		t.Errorf("ended after %s, want 2s", took)
	}
}

// TestDrainCompletes pins that SIGTERM costs no live connection its bytes: 20
// transfers over L4 and one request over L7 end whole.
func TestDrainCompletes(t *testing.T) {
	t.Parallel()
	lb := serve(t, backendsOf(startBackends(t, 2)))
	var transfers, started sync.WaitGroup
	transfer := func(addr string) {
		started.Add(1)
		transfers.Go(func() {
			resp, err := http.DefaultTransport.RoundTrip(mustRequest(t, addr, "/slow?body=3s"))
			started.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = resp.Body.Close() }()
			if n, err := io.Copy(io.Discard, resp.Body); n != slowBody || err != nil {
				t.Errorf("%s: %d bytes of %d, %v", addr, n, slowBody, err)
			}
		})
	}
	for range 20 {
		transfer(lb.l4)
	}
	transfer(lb.l7)
	started.Wait()
	lb.signal(syscall.SIGTERM)
	transfers.Wait()
	lb.wantExit(exitOK)
	// One line a second says how many are left.
	wantTexts(t, "standard output", lb.stdout.String(), []string{"msg=\"still draining\" l4=20 l7=1\n"})
	if n := lb.said("still draining"); n < 2 || n > 4 {
		t.Errorf("%d lines of what is left, want one for each of 3 s", n)
	}
}

func mustRequest(t *testing.T, addr, path string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	return req
}

// TestDrainTimeout pins that a connection without an end is reset when its time
// is over: it must not look complete.
func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	const timeout = 2500 * time.Millisecond
	lb := serve(t, backendsOf(startBackends(t, 1)), "LB_DRAIN_TIMEOUT="+timeout.String())
	conn := endless(t, lb.l4)
	began := time.Now()
	lb.signal(syscall.SIGTERM)
	if _, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
	if took := time.Since(began); took < timeout || took > timeout+margin {
		t.Errorf("cut after %s, want %s", took, timeout)
	}
	lb.wantExit(exitOK)
	if n := lb.said(`msg="still draining" l4=1 l7=0`); n != 2 {
		t.Errorf("%d lines of what is left, want 2", n)
	}
}

// endless returns a connection whose response has begun and will not end.
func endless(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	conn := dial(t, addr)
	request(t, conn, "/slow?body=100h")
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	for _, tt := range []struct{ name, setting, said string }{
		{"in the delay", "LB_SHUTDOWN_DELAY=1h", "msg=draining"},
		{"in the drain", "LB_DRAIN_TIMEOUT=1h", "still draining"},
		{"in a drain without a limit", "LB_DRAIN_TIMEOUT=0", "still draining"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lb := serve(t, backendsOf(startBackends(t, 1)), tt.setting)
			l4, l7 := endless(t, lb.l4), endless(t, lb.l7)
			lb.signal(syscall.SIGTERM)
			lb.awaitSaid(1, tt.said, patience)
			began := time.Now()
			lb.signal(syscall.SIGINT)
			lb.wantExit(exitOK)
			if took := time.Since(began); took > time.Second {
				t.Errorf("ended after %s, want at once", took)
			}
			for _, conn := range []*net.TCPConn{l4, l7} {
				if _, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("%s ended with %v, want a reset", conn.RemoteAddr(), err)
				}
			}
		})
	}
}

// TestDrainHTTP pins what SIGTERM does to kept-alive connections: one that waits
// for a request is closed, one with a request in flight is told to close.
func TestDrainHTTP(t *testing.T) {
	t.Parallel()
	askedc, answerc := make(chan struct{}), make(chan struct{})
	b := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(askedc)
			<-answerc
		}
	}))
	t.Cleanup(b.Close)
	lb := serve(t, "LB_BACKENDS="+b.URL)
	idle, busy := dial(t, lb.l7), dial(t, lb.l7)
	for _, conn := range []net.Conn{idle, busy} {
		request(t, conn, "/")
		if resp := response(t, conn); resp.Close {
			t.Fatal("closed before the drain")
		}
	}
	request(t, busy, "/slow")
	<-askedc
	lb.signal(syscall.SIGTERM)
	wantEnd(t, idle)
	close(answerc)
	if resp := response(t, busy); !resp.Close {
		t.Error(`the request in flight got no "Connection: close"`)
	}
	wantEnd(t, busy)
	lb.wantExit(exitOK)
}

func request(t *testing.T, conn net.Conn, path string) {
	t.Helper()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
}

// response reads a response with the status 200 and no other bytes after it.
func response(t *testing.T, conn net.Conn) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return resp
}

// wantEnd waits for the end of a connection's stream.
func wantEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		t.Errorf("%d bytes, %v, want the end", n, err)
	}
}

// TestGarbage sends what is not HTTP to the L7 port.
func TestGarbage(t *testing.T) {
	t.Parallel()
	lb := serve(t, backendsOf(startBackends(t, 1)), "LB_L7_HEADER_TIMEOUT=1s")
	for _, garbage := range []string{
		"garbage\r\n\r\n",
		"\x00\x01\x02\xff\r\n\r\n",
		"GET\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
		"GET / SMTP/1.0\r\nHost: x\r\n\r\n",
		"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n", // TLS
		"EHLO mail.example.org\r\n\r\n",
	} {
		conn := dial(t, lb.l7)
		if _, err := io.WriteString(conn, garbage); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn) // to the end of the connection
		if status, _, _ := strings.Cut(string(got), "\r\n"); status != "HTTP/1.1 400 Bad Request" {
			t.Errorf("%q: got %q, %v, want 400", garbage, got, err)
		}
	}
	if got := whose(t, lb.l7); got != "1" {
		t.Errorf("then an answer from %q, want 1", got)
	}
}

// TestSilentClient pins that a client which sends no whole head is dropped when
// its time is over.
func TestSilentClient(t *testing.T) {
	t.Parallel()
	lb := serve(t, backendsOf(startBackends(t, 1)), "LB_L7_HEADER_TIMEOUT=1s", "LB_L7_IDLE_TIMEOUT=1h")
	var wg sync.WaitGroup
	for _, sent := range []string{"", "G", "GET / HTTP/1.1\r\nHost: x\r\n"} {
		wg.Go(func() {
			began := time.Now()
			conn := dial(t, lb.l7)
			_, _ = io.WriteString(conn, sent)
			got, err := io.ReadAll(conn)
			if strings.Contains(string(got), " 200 ") {
				t.Errorf("%q: got %q, %v", sent, got, err)
			}
			if took := time.Since(began); took < 900*time.Millisecond || took > time.Second+margin {
				t.Errorf("%q: dropped after %s with %q, %v, want 1s", sent, took, got, err)
			}
		})
	}
	wg.Wait()
}
