package l4

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"fourseven/health"
	"fourseven/internal/testkit"
)

// routed is a server in front of others.
type routed struct {
	*proxy
	others map[string]*Server
	endc   chan string // "NAME: ENDING" of each connection of the others
}

// route starts a server that routes to servers by these names, each with a backend of its
// own; the one of the name "" is the default. The front may have settings, and routes with
// a time.
func route(t *testing.T, front *Server, backends map[string]*health.Backend, settings ...func(*Server)) *routed {
	t.Helper()
	r := &routed{others: map[string]*Server{}, endc: make(chan string, 100)}
	routes := &Routes{HelloTimeout: testkit.Patience}
	if front.routes != nil {
		routes = front.routes
	}
	var others []*Server
	for name, b := range backends {
		s := &Server{Pool: health.NewPool(b), Dialer: &Dialer{Timeout: testkit.Patience}, Slots: front.Slots}
		s.Pool.MarkAllUp()
		s.Ended = func(rec Record) { r.endc <- name + ": " + string(rec.Reason) }
		for _, set := range settings {
			set(s)
		}
		r.others[name] = s
		others = append(others, s)
		if name == "" {
			routes.Default = s
		} else {
			routes.Names.Add(name, s)
		}
	}
	front.RouteTo(routes, others...)
	r.proxy = start(t, front)
	t.Cleanup(func() { // before the front's
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		for _, s := range others {
			go func() { _ = s.Shutdown(ctx) }()
		}
		_ = r.stop(ctx)
	})
	return r
}

func (r *routed) wantEnd(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-r.endc:
		if got != want {
			t.Errorf("ended as %s, want %s", got, want)
		}
	case <-time.After(testkit.Patience):
		t.Fatalf("no connection ended, want %s", want)
	}
}

// prefixed returns a backend that writes a name and then echoes.
func prefixed(t *testing.T, name string) *health.Backend {
	return backend(t, func(conn *net.TCPConn) {
		_, _ = io.WriteString(conn, name+":")
		echo(conn)
	})
}

// Pins that the name in the hello decides, that the backend gets every byte, also when
// they come one by one or in many records, and what those without a name get.
func TestRoute(t *testing.T) {
	r := route(t, &Server{}, map[string]*health.Backend{
		"a.example.com": prefixed(t, "a"), "*.example.com": prefixed(t, "wild"), "": prefixed(t, "default"),
	})
	hello := func(name string) string { return string(helloOf(t, &tls.Config{ServerName: name})) }
	for _, tt := range []struct{ name, sent, want, ended string }{
		{"exact", hello("a.example.com"), "a", "a.example.com"},
		{"without case", hello("A.Example.com"), "a", "a.example.com"},
		{"wildcard", hello("b.example.com"), "wild", "*.example.com"},
		{"two labels", hello("b.b.example.com"), "default", ""},
		{"no name", hello(""), "default", ""},
		{"not TLS", "SSH-2.0-x\r\n", "default", ""},
		{"in small records", string(inRecords([]byte(hello("a.example.com")), 10)), "a", "a.example.com"},
		{"half a hello", hello("a.example.com")[:100], "default", ""},
		{"nothing", "", "default", ""},
	} {
		for _, step := range []int{1, 1 << 20} {
			conn := r.dial(t)
			for rest := tt.sent; rest != ""; {
				n := min(step, len(rest))
				if _, err := io.WriteString(conn, rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			_ = conn.CloseWrite()
			got, err := io.ReadAll(conn)
			if want := tt.want + ":" + tt.sent; err != nil || string(got) != want {
				t.Errorf("%s, in steps of %d: %.20q, %d bytes, %v, want %.20q, %d bytes", tt.name, step, got, len(got), err, want, len(want))
			}
			r.wantEnd(t, tt.ended+": eof")
		}
	}
	if got := r.Stats(); got.Connections != 0 || got.Active != 0 {
		t.Errorf("the front counts %+v", got)
	}
	if got := r.others["a.example.com"].Stats(); got.Connections != 6 || got.Active != 0 || got.Received == 0 {
		t.Errorf("a.example.com counts %+v", got)
	}
}

// Pins that without a default a TLS client gets the alert, whole, and all others a reset.
func TestRouteNone(t *testing.T) {
	r := route(t, &Server{}, map[string]*health.Backend{"a.example.com": prefixed(t, "a")})
	conn := tls.Client(r.dial(t), &tls.Config{ServerName: "b.example.com"})
	if err := conn.Handshake(); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("handshake: %v", err)
	}
	_ = conn.Close()
	r.wantEnding(t, NoRoute)

	plain := r.dial(t)
	_, _ = io.WriteString(plain, "GET / HTTP/1.1\r\n\r\n")
	wantReset(t, plain, "")
	r.wantEnding(t, NoRoute)

	_ = r.dial(t).CloseWrite() // a probe of the port
	r.wantEnding(t, EOF)

	gone := r.dial(t)
	_, _ = io.WriteString(gone, "\x16\x03")
	_ = gone.SetLinger(0)
	_ = gone.Close()
	r.wantEnding(t, ClientReset)
	if got := r.Stats(); got.Connections != 4 {
		t.Errorf("%d connections, want 4", got.Connections)
	}
}

// Pins that a client that waits for the server to speak gets the default after the time,
// and that it may take as long as it likes afterwards.
func TestRouteSilentClient(t *testing.T) {
	r := route(t, soon(), map[string]*health.Backend{"a": prefixed(t, "a"), "": prefixed(t, "default")})
	conn := r.dial(t)
	got := make([]byte, len("default:x"))
	if _, err := io.ReadFull(conn, got[:len("default:")]); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "x")
	if _, err := io.ReadFull(conn, got[len("default:"):]); err != nil || string(got) != "default:x" {
		t.Errorf("got %q, %v", got, err)
	}
}

// soon returns a server that does not wait long for a hello.
func soon() *Server {
	return &Server{routes: &Routes{HelloTimeout: 50 * time.Millisecond}}
}

// Pins that without a default a silent client is reset after the time.
func TestRouteSilentClientWithoutDefault(t *testing.T) {
	r := route(t, soon(), map[string]*health.Backend{"a": prefixed(t, "a")})
	wantReset(t, r.dial(t), "")
	r.wantEnding(t, NoRoute)
}

// Pins that the name of a handshake decides, where the server ends TLS before it routes.
func TestRouteBehindTLS(t *testing.T) {
	authority := testkit.NewAuthority(t)
	front := &Server{TLS: &TLSServer{Config: &tls.Config{Certificates: []tls.Certificate{authority.Issue(t, "a", "b").TLS(t)}}}}
	r := route(t, front, map[string]*health.Backend{"a": prefixed(t, "a"), "": prefixed(t, "default")})
	for name, want := range map[string]string{"a": "a:x", "b": "default:x"} {
		conn := tls.Client(r.dial(t), &tls.Config{ServerName: name, RootCAs: authority.Pool()})
		_, err := io.WriteString(conn, "x")
		got := make([]byte, len(want))
		if _, readErr := io.ReadFull(conn, got); err != nil || readErr != nil || string(got) != want {
			t.Errorf("%s: %q, %v, %v", name, got, err, readErr)
		}
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	}
}

// Pins that each of the servers may end TLS once it has been chosen.
func TestRouteBeforeTLS(t *testing.T) {
	authority := testkit.NewAuthority(t)
	r := route(t, &Server{}, map[string]*health.Backend{"a": prefixed(t, "a"), "b": prefixed(t, "b")}, func(s *Server) {
		s.TLS = &TLSServer{Config: &tls.Config{Certificates: []tls.Certificate{authority.Issue(t, "a", "b").TLS(t)}}}
	})
	for _, name := range []string{"a", "b"} {
		conn := tls.Client(r.dial(t), &tls.Config{ServerName: name, RootCAs: authority.Pool()})
		got := make([]byte, 2)
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != name+":" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		_ = conn.Close()
	}
}

// Pins that bulk behind the hello is spliced.
func TestRouteSplices(t *testing.T) {
	got := make(chan int64, 1)
	r := route(t, &Server{}, map[string]*health.Backend{"a": backend(t, func(conn *net.TCPConn) {
		n, _ := io.Copy(struct{ io.Writer }{io.Discard}, conn)
		got <- n
	})})
	hello := helloOf(t, &tls.Config{ServerName: "a"})
	conn := r.dial(t)
	const bulk = 64 << 20
	_, _ = conn.Write(hello)
	if _, err := io.CopyN(conn, zeros{}, bulk); err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseWrite()
	if n := <-got; n != int64(len(hello)+bulk) {
		t.Errorf("%d bytes arrived, want %d", n, len(hello)+bulk)
	}
	r.wantEnd(t, "a: eof")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// enter opens a connection that asks for a name.
func (r *routed) enter(t *testing.T, name string) *net.TCPConn {
	t.Helper()
	conn := r.dial(t)
	_, _ = conn.Write(helloOf(t, &tls.Config{ServerName: name}))
	return conn
}

// routeLimited is route with servers a and b, of one connection each, which others wait
// for a while for. It returns a client of a.
func routeLimited(t *testing.T, patience time.Duration) (*routed, *Slots, *net.TCPConn) {
	all := NewSlots(10)
	r := route(t, &Server{Slots: all}, map[string]*health.Backend{"a": prefixed(t, "a"), "b": prefixed(t, "b")}, func(s *Server) {
		s.Slots, s.Dialer = all.Share(1), &Dialer{Timeout: patience}
	})
	first := r.enter(t, "a")
	wantGreeting(t, first)
	return r, all, first
}

// wantGreeting reads what a backend begins with.
func wantGreeting(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.ReadFull(conn, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
}

// finish ends a connection and waits until all slots are free.
func (r *routed) finish(t *testing.T, all *Slots, conns ...*net.TCPConn) {
	t.Helper()
	for _, conn := range conns {
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}
	testkit.Eventually(t, "all slots are free", func() bool {
		return all.Taken()+r.others["a"].Slots.Taken()+r.others["b"].Slots.Taken() == 0
	})
}

// Pins that each server keeps to its own limit, and that one at it holds up no other.
func TestRouteAtALimit(t *testing.T) {
	r, all, first := routeLimited(t, 100*time.Millisecond)
	wantReset(t, r.enter(t, "a"), "")
	r.wantEnd(t, "a: denied")
	other := r.enter(t, "b")
	wantGreeting(t, other)
	r.finish(t, all, first, other)
}

// Pins that a connection waits for a slot of its server.
func TestRouteWaitsForASlot(t *testing.T) {
	r, all, first := routeLimited(t, testkit.Patience)
	waits := r.enter(t, "a")
	testkit.Eventually(t, "it has a slot of the process", func() bool { return all.Taken() == 2 })
	_ = first.CloseWrite()
	_, _ = io.Copy(io.Discard, first)
	wantGreeting(t, waits)
	r.finish(t, all, waits)
}

// Pins that Shutdown of each server waits for the connections of all, and cuts those
// whose hello has not come.
func TestRouteShutdown(t *testing.T) {
	r := route(t, &Server{}, map[string]*health.Backend{"a": prefixed(t, "a"), "b": prefixed(t, "b")})
	live := r.dial(t)
	_, _ = live.Write(helloOf(t, &tls.Config{ServerName: "a"}))
	if _, err := io.ReadFull(live, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	silent := r.dial(t)
	testkit.Eventually(t, "the silent one is accepted", func() bool { return r.Active() == 1 })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	donec := make(chan error, 2)
	for _, s := range r.others {
		go func() { donec <- s.Shutdown(ctx) }()
	}
	go func() { _ = r.stop(ctx) }()
	testkit.Eventually(t, "all drain", func() bool {
		drains := true
		for _, s := range []*Server{r.Server, r.others["a"], r.others["b"]} {
			s.mu.Lock()
			drains = drains && s.draining
			s.mu.Unlock()
		}
		return drains
	})
	select {
	case err := <-donec:
		t.Fatalf("Shutdown returned %v with connections open", err)
	default:
	}
	cancel()
	for range 2 {
		if err := <-donec; err != context.Canceled {
			t.Errorf("Shutdown returned %v", err)
		}
	}
	r.wantEnding(t, Drain)
	r.wantEnd(t, "a: drain")
	wantReset(t, silent, "")
}
