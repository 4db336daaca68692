package l7_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fourseven/health"
	"fourseven/internal/loop"
	"fourseven/internal/testkit"
	"fourseven/l7"
)

const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"

// TestIdleClose pins that a connection that the backend closed just before is not
// used for a request: 0 of 20 fail, POST included.
func TestIdleClose(t *testing.T) {
	var conns atomic.Int32
	closed := make(chan struct{})
	p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil {
			return
		}
		conns.Add(1)
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(nc, plainAnswer)
		_ = nc.Close()
		closed <- struct{}{}
	}))
	nc := p.dial(t)
	br := bufio.NewReader(nc)
	for i := range 20 {
		_, _ = io.WriteString(nc, post)
		if resp, _ := readResponse(t, br, post); resp.StatusCode != 200 {
			t.Fatalf("request %d: %d", i, resp.StatusCode)
		}
		<-closed
	}
	if n := conns.Load(); n != 20 {
		t.Errorf("%d requests came, want 20", n)
	}
}

// TestReuse pins that connections are kept and used again.
func TestReuse(t *testing.T) {
	var conns atomic.Int32
	p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
		conns.Add(1)
		answerAll(nc, plainAnswer)
	}))
	for range 10 {
		p.do(t, get)
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for 10 requests, want 1", n)
	}
}

// TestReuseAfterReplace pins that a backend keeps its connections when its options
// change: there was a second pool for it, with a cap of its own.
func TestReuseAfterReplace(t *testing.T) {
	var conns atomic.Int32
	addr := scriptedBackend(t, func(nc net.Conn) {
		conns.Add(1)
		answerAll(nc, plainAnswer)
	})
	p := startProxy(t, nil, addr)
	for weight := range 5 {
		p.Pool.Replace([]health.Spec{{Addr: addr, Weight: weight + 1, MaxConns: int64(10 * weight)}})
		p.do(t, get)
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for 5 requests with other options each, want 1", n)
	}
}

// answerAll answers each request on the connection.
func answerAll(nc net.Conn, answer string) {
	br := bufio.NewReader(nc)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(nc, answer)
	}
}

// TestRepeat pins what happens when a kept connection takes a request and closes
// without an answer: GET is sent once more, over a new connection; POST is not.
func TestRepeat(t *testing.T) {
	for _, test := range []struct {
		request      string
		status, seen int
	}{{get, 200, 3}, {post, 502, 2}} {
		var conns, requests atomic.Int32
		p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
			first := conns.Add(1) == 1
			br := bufio.NewReader(nc)
			for n := 1; ; n++ {
				req, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				requests.Add(1)
				if first && n == 2 {
					return
				}
				_, _ = io.WriteString(nc, plainAnswer)
			}
		}))
		p.do(t, get)
		if resp, _ := p.do(t, test.request); resp.StatusCode != test.status {
			t.Errorf("%.4s: %d, want %d", test.request, resp.StatusCode, test.status)
		}
		if n := int(requests.Load()); n != test.seen {
			t.Errorf("%.4s: the backend saw %d requests, want %d", test.request, n, test.seen)
		}
	}
}

// TestUnsolicited pins that bytes which a backend sends between two requests are
// never the answer to the second.
func TestUnsolicited(t *testing.T) {
	const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	sent := make(chan struct{}, 1)
	p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err != nil {
			return
		}
		_, _ = io.WriteString(nc, plainAnswer)
		time.AfterFunc(20*time.Millisecond, func() { _, _ = io.WriteString(nc, evil); sent <- struct{}{} })
		_, _ = io.Copy(io.Discard, nc)
	}))
	for range 2 {
		if _, body := p.do(t, get); body != "ok" {
			t.Fatalf("got %q", body)
		}
		<-sent
	}
}

// TestConnectionCap pins that at the cap requests wait for a connection instead of
// failing, and that those who wait in vain get 503.
func TestConnectionCap(t *testing.T) {
	var now, most atomic.Int32
	slow := make(chan struct{})
	backend := httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if r.URL.Path == "/slow" {
			<-slow
		}
	})
	p := startProxy(t, func(s *l7.Server) {
		s.MaxBackendConns = 2
		s.Dialer.Timeout = 3 * time.Second // how long a request waits for a connection
	}, backend)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if resp, _ := p.do(t, get); resp.StatusCode != 200 {
				t.Errorf("status %d", resp.StatusCode)
			}
		})
	}
	wg.Wait()
	if n := most.Load(); n > 2 {
		t.Errorf("%d connections at once, want 2", n)
	}
	for range 2 {
		wg.Go(func() { p.do(t, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n") })
	}
	testkit.Eventually(t, "both connections are taken", func() bool { return now.Load() == 2 })
	if resp, _ := p.do(t, get); resp.StatusCode != 503 {
		t.Errorf("over the cap: %d", resp.StatusCode)
	}
	close(slow)
	wg.Wait()
}

// TestIPv6Backend pins that an IPv6 address is dialled and named as it is written.
func TestIPv6Backend(t *testing.T) {
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 loopback here")
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "six") })}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	p := startProxy(t, nil, ln.Addr().String())
	if _, body := p.do(t, get); body != "six" {
		t.Errorf("got %q", body)
	}
}

// TestActive pins that a request in flight counts as the backend's.
func TestActive(t *testing.T) {
	release := make(chan struct{})
	p := startProxy(t, nil, httpBackend(t, func(http.ResponseWriter, *http.Request) { <-release }))
	nc := p.dial(t)
	_, _ = fmt.Fprint(nc, get)
	b := p.Pool.Backends()[0]
	testkit.Eventually(t, "the request counts", func() bool { return b.Active() == 1 && p.Active() == 1 })
	close(release)
	readResponse(t, bufio.NewReader(nc), get)
	testkit.Eventually(t, "it counts no more", func() bool { return b.Active() == 0 && p.Active() == 0 })
}

// TestConnsMoveBetweenLoops pins that clients of all loops share the connections to a
// backend: at the cap, and before another connection is opened.
func TestConnsMoveBetweenLoops(t *testing.T) {
	var opened atomic.Int32
	backend := httptest.NewUnstartedServer(http.HandlerFunc(answerOK))
	backend.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	backend.Start()
	defer backend.Close()
	p := startProxy(t, func(s *l7.Server) {
		s.BackendKeepalive = patience
		s.Loops = threeLoops(t)
	}, backend.Listener.Addr().String())
	var clients []net.Conn
	for range 9 { // three a loop
		clients = append(clients, p.dial(t))
	}
	for range 5 {
		for _, nc := range clients {
			_, _ = io.WriteString(nc, get)
			if _, body := readResponse(t, bufio.NewReader(nc), get); body != "ok" {
				t.Fatalf("got %q", body)
			}
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections for one request at a time", n)
	}
}

func threeLoops(t *testing.T) *loop.Group {
	t.Helper()
	loops, err := loop.New(loop.Config{Loops: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = loops.Close() })
	return loops
}

// TestCapOverLoops pins that a request at the cap gets the connection that a request of
// another loop releases.
func TestCapOverLoops(t *testing.T) {
	const clients, requests = 12, 50
	p := startProxy(t, func(s *l7.Server) {
		s.MaxBackendConns = 1
		s.Loops = threeLoops(t)
	}, httpBackend(t, answerOK))
	p.crowd(t, clients, requests, "ok")
}

// crowd sends requests over several connections at once, one after the other over each, and
// wants the same body for all.
func (p *proxy) crowd(t *testing.T, clients, requests int, want string) {
	t.Helper()
	var wg sync.WaitGroup
	for range clients {
		nc := p.dial(t)
		wg.Go(func() {
			br := bufio.NewReader(nc)
			for range requests {
				_, _ = io.WriteString(nc, get)
				resp, err := http.ReadResponse(br, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := io.ReadAll(resp.Body); string(got) != want || err != nil {
					t.Errorf("got %d, %d bytes of %d, %.20q, %v", resp.StatusCode, len(got), len(want), got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestUnaskedAtCap pins that bytes that a backend sends behind a response are not taken for
// another response, also if a request waits for the connection.
func TestUnaskedAtCap(t *testing.T) {
	const clients, requests, size = 6, 20, 300 << 10
	body := strings.Repeat("b", size)
	unasked := "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nunasked"
	p := startProxy(t, func(s *l7.Server) { s.MaxBackendConns = 1 }, scriptedBackend(t, func(nc net.Conn) {
		br := bufio.NewReader(nc)
		for {
			if _, err := http.ReadRequest(br); err != nil {
				return
			}
			_, _ = fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", size, body, unasked)
		}
	}))
	p.crowd(t, clients, requests, body)
}
