package l7_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fourseven/health"
	"fourseven/internal/testkit"
	"fourseven/l4"
	"fourseven/l7"
)

// routed is a server in front of others.
type routed struct {
	*proxy
	others map[string]*l7.Server
	served chan string // "NAME METHOD TARGET STATUS REASON in=N out=N" of each request
	ended  chan string // "NAME REASON" of each connection
}

// startRouted starts a server that routes by hosts to servers of these names, each with
// a backend that responds with its name, and of the name "" to a default; and shuts all down at the
// test's end.
func startRouted(t *testing.T, slots *l4.Slots, configure func(name string, s *l7.Server), names ...string) *routed {
	t.Helper()
	const enough = 10_000 // a report that had to wait would hold up the loop
	r := &routed{others: map[string]*l7.Server{}, served: make(chan string, enough), ended: make(chan string, enough)}
	report := func(name string, s *l7.Server) {
		s.Served = func(rec *l7.Record) {
			r.served <- fmt.Sprintf("%s %s %s %d %q in=%d out=%d", name, rec.Method, rec.Target, rec.Status, rec.Reason, rec.Received, rec.Sent)
		}
		s.Ended = func(c l7.Closing) { r.ended <- name + " " + string(c.Reason) }
		s.Slots = slots
		if configure != nil {
			configure(name, s)
		}
	}
	routes := &l7.Routes{}
	var others []*l7.Server
	for _, name := range names {
		backend := httpBackend(t, func(w http.ResponseWriter, req *http.Request) {
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = fmt.Fprintf(w, "%s %s", name, req.Header.Get("X-Forwarded-For"))
		})
		s := newServer(health.NewBackend(backend))
		report(name, s)
		others = append(others, s)
		if r.others[name] = s; name == "" {
			routes.Default = s
		} else {
			routes.Add(name, "", s)
		}
	}
	t.Cleanup(func() { // behind the front's
		for _, s := range others {
			if err := s.Shutdown(t.Context()); err != nil && s.Active() > 0 {
				t.Errorf("%d active after Shutdown: %v", s.Active(), err)
			}
		}
	})
	r.proxy = startProxy(t, func(s *l7.Server) {
		s.Pool, s.Relays = nil, nil
		report("front", s)
		s.RouteTo(routes, others...)
	})
	return r
}

// client is a keep-alive connection.
type client struct {
	net.Conn
	*bufio.Reader
}

func (r *routed) client(t *testing.T) client {
	nc := r.dial(t)
	return client{nc, bufio.NewReader(nc)}
}

// ask sends a request for a host and returns the response.
func (c client) ask(t *testing.T, host string) (status int, body string) {
	t.Helper()
	raw := "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	_, _ = io.WriteString(c.Conn, raw)
	resp, body := readResponse(t, c.Reader, raw)
	return resp.StatusCode, body
}

// TestRoute pins that each request of a connection goes to the server that it asks for,
// and counts there, byte by byte.
func TestRoute(t *testing.T) {
	r := startRouted(t, nil, nil, "a.example.com", "b.example.com", "")
	c := r.client(t)
	sent := 0
	for _, tt := range []struct{ host, want string }{
		{"a.example.com", "a.example.com"}, {"a.example.com", "a.example.com"}, {"B.example.com:80", "b.example.com"},
		{"c.example.com", ""}, {"a.example.com", "a.example.com"},
	} {
		status, body := c.ask(t, tt.host)
		if want := tt.want + " 127.0.0.1"; status != 200 || body != want {
			t.Errorf("%s: %d %q, want %q", tt.host, status, body, want)
		}
		raw := len("GET / HTTP/1.1\r\nHost: " + tt.host + "\r\n\r\n")
		sent += raw
		got := next(t, r.served)
		if want := fmt.Sprintf(`%s GET / 200 "" in=%d out=`, tt.want, raw); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", tt.host, got, want)
		}
	}
	_ = c.Conn.Close()
	if got := next(t, r.ended); got != "a.example.com eof" {
		t.Errorf("the connection ended as one of %s", got)
	}
	var sum l4.Stats
	for name, s := range r.others {
		stats := s.Stats()
		sum = sum.Plus(stats)
		if name == "b.example.com" && (stats.Received != int64(len("GET / HTTP/1.1\r\nHost: B.example.com:80\r\n\r\n")) || stats.Connections != 0) {
			t.Errorf("%s counts %+v", name, stats)
		}
	}
	if front := r.Stats(); front != (l4.Stats{}) {
		t.Errorf("the front counts %+v", front)
	}
	if sum.Connections != 1 || sum.Active != 0 || sum.Received != int64(sent) {
		t.Errorf("all count %+v, want 1 connection and %d bytes", sum, sent)
	}
}

// TestRoutePipelined pins that requests sent at once go to the servers that they are for,
// with bodies.
func TestRoutePipelined(t *testing.T) {
	r := startRouted(t, nil, nil, "a", "b")
	c := r.client(t)
	var all strings.Builder
	for i := range 20 {
		_, _ = fmt.Fprintf(&all, "POST / HTTP/1.1\r\nHost: %c\r\nContent-Length: %d\r\n\r\n%s", 'a'+i%2, 1000*i, strings.Repeat("x", 1000*i))
	}
	go func() { _, _ = io.WriteString(c.Conn, all.String()) }()
	for i := range 20 {
		resp, body := readResponse(t, c.Reader, "POST")
		if want := string(rune('a'+i%2)) + " 127.0.0.1"; resp.StatusCode != 200 || body != want {
			t.Fatalf("request %d: %d %q, want %q", i, resp.StatusCode, body, want)
		}
	}
	received := r.others["a"].Stats().Received + r.others["b"].Stats().Received + r.Stats().Received
	if received != int64(all.Len()) {
		t.Errorf("%d bytes are counted, want %d", received, all.Len())
	}
}

// TestRouteNone pins the response to a request that is for no server, and that the
// connection can be used for others.
func TestRouteNone(t *testing.T) {
	r := startRouted(t, nil, nil, "a")
	c := r.client(t)
	for _, host := range []string{"x", "a", "x"} {
		status, body := c.ask(t, host)
		got := next(t, r.served)
		switch {
		case host == "a" && (status != 200 || body != "a 127.0.0.1" || !strings.HasPrefix(got, `a GET / 200 "" `)):
			t.Errorf("after a 404: %d %s, %s", status, body, got)
		case host == "x" && (status != 404 || body != `{"error":"No service for this host and path"}` || !strings.HasPrefix(got, `front GET / 404 "no_route" `)):
			t.Errorf("got %d %s, %s", status, body, got)
		}
	}
	_ = c.Conn.Close()
	if got := next(t, r.ended); got != "front eof" {
		t.Errorf("the connection ended as one of %s", got)
	}
	if stats := r.others["a"].Stats().Plus(r.Stats()); stats.Connections != 1 {
		t.Errorf("%d connections are counted", stats.Connections)
	}
	resp, _ := r.do(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	if resp.StatusCode != 404 || !resp.Close {
		t.Errorf("with half a body: %d, close %t", resp.StatusCode, resp.Close)
	}
}

// TestRouteTrusts pins that each server has its own trusted proxies.
func TestRouteTrusts(t *testing.T) {
	r := startRouted(t, nil, func(name string, s *l7.Server) {
		if name == "a" {
			s.TrustedProxies = l4.Peers{Networks: loopback}
		}
	}, "a", "b")
	c := r.client(t)
	for _, tt := range []struct{ host, want string }{{"a", "a 10.0.0.1, 127.0.0.1"}, {"b", "b 127.0.0.1"}, {"a", "a 10.0.0.1, 127.0.0.1"}} {
		raw := "GET / HTTP/1.1\r\nHost: " + tt.host + "\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n"
		_, _ = io.WriteString(c.Conn, raw)
		if _, body := readResponse(t, c.Reader, raw); body != tt.want {
			t.Errorf("got %q, want %q", body, tt.want)
		}
	}
}

// startLimited is startRouted with servers a and b of two connections each, whose backends
// keep requests for /hold waiting until the function is called.
func startLimited(t *testing.T) (r *routed, all *l4.Slots, release func()) {
	all = l4.NewSlots(100)
	hold := make(chan struct{})
	var once sync.Once
	release = func() { once.Do(func() { close(hold) }) }
	t.Cleanup(release)
	r = startRouted(t, all, func(name string, s *l7.Server) {
		if name == "front" {
			return
		}
		s.Slots = all.Share(2)
		s.Dialer = &l4.Dialer{Timeout: 200 * time.Millisecond}
		s.Pool = health.NewPool(health.NewBackend(httpBackend(t, func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/hold" {
				<-hold
			}
			_, _ = io.WriteString(w, name)
		})))
		s.Pool.MarkAllUp()
	}, "a", "b")
	t.Cleanup(release) // before the servers shut down
	return r, all, release
}

// hold sends a request to a that stays there, when so many connections are there.
func (r *routed) hold(t *testing.T, taken int) client {
	t.Helper()
	c := r.client(t)
	_, _ = io.WriteString(c.Conn, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
	testkit.Eventually(t, "it is one of a", func() bool { return r.others["a"].Slots.Taken() == taken })
	return c
}

// TestRouteLimit pins that a server at its limit refuses a request, that this holds up no
// other server, and that all slots are free at the end.
func TestRouteLimit(t *testing.T) {
	r, all, release := startLimited(t)
	busy := []client{r.hold(t, 1), r.hold(t, 2)}
	other := r.client(t)
	if status, body := other.ask(t, "a"); status != 503 || body != `{"error":"Too many connections"}` {
		t.Errorf("at the limit: %d %s", status, body)
	}
	if got := next(t, r.served); !strings.HasPrefix(got, `a GET / 503 "denied" `) {
		t.Errorf("at the limit: %s", got)
	}
	if status, _ := other.ask(t, "b"); status != 200 {
		t.Errorf("b, with a at its limit: %d", status)
	}
	release()
	for _, c := range busy {
		if resp, _ := readResponse(t, c.Reader, "GET"); resp.StatusCode != 200 {
			t.Errorf("at the limit: %d", resp.StatusCode)
		}
		_ = c.Conn.Close()
	}
	testkit.Eventually(t, "a has free slots", func() bool { return r.others["a"].Slots.Taken() == 0 })
	if status, _ := other.ask(t, "a"); status != 200 {
		t.Errorf("from b to a: %d", status)
	}
	if a, b := r.others["a"].Slots.Taken(), r.others["b"].Slots.Taken(); a != 1 || b != 0 {
		t.Errorf("a has %d connections and b %d, want 1 and 0", a, b)
	}
	_ = other.Conn.Close()
	testkit.Eventually(t, "all slots are free", func() bool { return all.Taken()+r.others["a"].Slots.Taken() == 0 })
}

// TestRouteGiveWay pins that an idle connection of a server at its limit gives way to a
// request on another connection.
func TestRouteGiveWay(t *testing.T) {
	r, all, release := startLimited(t)
	idle := r.client(t)
	if status, _ := idle.ask(t, "a"); status != 200 {
		t.Fatal(status)
	}
	busy := r.hold(t, 2)
	other := r.client(t)
	if status, _ := other.ask(t, "a"); status != 200 {
		t.Errorf("with an idle connection in the way: %d", status)
	}
	if _, err := idle.ReadByte(); err != io.EOF {
		t.Errorf("the idle connection: %v, want its end", err)
	}
	release()
	for _, c := range []client{idle, other, busy} {
		_ = c.Conn.Close()
	}
	testkit.Eventually(t, "all slots are free", func() bool { return all.Taken()+r.others["a"].Slots.Taken() == 0 })
}

// TestRouteShutdown pins that Shutdown of each server waits for the requests of all, and
// that a request on its way to another server while all drain is served.
func TestRouteShutdown(t *testing.T) {
	hold := make(chan struct{})
	entered := make(chan struct{}, 1)
	r := startRouted(t, nil, func(name string, s *l7.Server) {
		s.LastRequest = patience
		if name != "a" {
			return
		}
		s.Pool = health.NewPool(health.NewBackend(httpBackend(t, func(w http.ResponseWriter, _ *http.Request) {
			entered <- struct{}{}
			<-hold
			_, _ = io.WriteString(w, "late")
		})))
		s.Pool.MarkAllUp()
	}, "a", "b")
	idle := r.client(t)
	if status, _ := idle.ask(t, "b"); status != 200 {
		t.Fatal(status)
	}
	busy := r.client(t)
	_, _ = io.WriteString(busy.Conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	donec := make(chan error, 3)
	for _, s := range []*l7.Server{r.others["b"], r.others["a"], r.Server} {
		go func() { donec <- s.Shutdown(ctx) }()
	}
	testkit.Eventually(t, "the listener is closed", func() bool {
		nc, err := net.Dial("tcp", r.addr)
		if err == nil {
			_ = nc.Close()
		}
		return err != nil
	})
	_, _ = io.WriteString(idle.Conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n") // from b to a
	<-entered
	select {
	case err := <-donec:
		t.Fatalf("Shutdown returned %v with requests in flight", err)
	default:
	}
	close(hold)
	for _, c := range []client{busy, idle} {
		if resp, body := readResponse(t, c.Reader, "GET"); body != "late" || !resp.Close {
			t.Errorf("in the drain: %q, close %t", body, resp.Close)
		}
		_ = c.Conn.Close()
	}
	for range 3 {
		if err := <-donec; err != nil {
			t.Error(err)
		}
	}
}

// TestRouteCut pins that connections end at the end of a drain, whichever server they
// are of, also while they are on their way.
func TestRouteCut(t *testing.T) {
	r := startRouted(t, nil, nil, "a", "b")
	var clients sync.WaitGroup
	var answered atomic.Int64
	for range 20 {
		c := r.client(t)
		clients.Go(func() {
			for i := 0; ; i++ {
				_, _ = fmt.Fprintf(c.Conn, "GET / HTTP/1.1\r\nHost: %c\r\n\r\n", 'a'+i%2)
				resp, err := http.ReadResponse(c.Reader, nil)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				answered.Add(1)
			}
		})
	}
	testkit.Eventually(t, "all to be busy", func() bool { return answered.Load() > 500 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var shut sync.WaitGroup
	for _, s := range []*l7.Server{r.others["b"], r.others["a"], r.Server} {
		shut.Go(func() { _ = s.Shutdown(ctx) })
	}
	shut.Wait()
	clients.Wait()
	for name, s := range r.others {
		if stats := s.Stats(); stats.Active != 0 || s.Active() != 0 {
			t.Errorf("%s: %+v, %d requests", name, stats, s.Active())
		}
	}
}
