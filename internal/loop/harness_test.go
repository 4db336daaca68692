package loop

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// wait bounds everything that a test waits for; it is generous on purpose.
const wait = 30 * time.Second

// newGroup returns a Group that is closed at the end of the test.
func newGroup(t testing.TB, config Config) *Group {
	t.Helper()
	if config.Loops == 0 {
		config.Loops = 2
	}
	g, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

// oneLoop returns the only loop of a new Group.
func oneLoop(t testing.TB) *Loop {
	t.Helper()
	return newGroup(t, Config{Loops: 1}).Loops()[0]
}

// in runs f as a fiber of the loop and waits for its end. f may call t.Error, and
// not t.Fatal.
func in(t testing.TB, l *Loop, f func()) {
	t.Helper()
	donec := make(chan struct{})
	if !l.Go(func() { defer close(donec); f() }) {
		t.Fatal("the loop takes no fibers")
	}
	await(t, "the fiber", donec)
}

func await(t testing.TB, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(wait):
		t.Fatalf("not within %s: %s", wait, what)
	}
}

// listen returns a listener on a loopback port.
func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func addrOf(ln net.Listener) netip.AddrPort { return netip.MustParseAddrPort(ln.Addr().String()) }

// pair returns a connection of the loop and its peer, of package net.
func pair(t testing.TB, l *Loop) (*Conn, *net.TCPConn) {
	t.Helper()
	ln := listen(t)
	peerc := make(chan net.Conn, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			close(peerc)
			return
		}
		peerc <- conn
	}()
	var c *Conn
	var err error
	in(t, l, func() { c, err = l.Dial(t.Context(), addrOf(ln), wait) })
	if err != nil {
		t.Fatal(err)
	}
	peer, ok := <-peerc
	if !ok {
		t.Fatal("no connection was accepted")
	}
	t.Cleanup(func() { _ = c.Close(); _ = peer.Close() })
	_ = peer.SetDeadline(time.Now().Add(wait))
	return c, peer.(*net.TCPConn)
}

// serve accepts connections of package net, and serves each in a goroutine, until
// the test ends.
func serve(t testing.TB, ln net.Listener, f func(net.Conn)) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := make(map[net.Conn]bool)
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[conn] = true
			mu.Unlock()
			wg.Go(func() {
				f(conn)
				_ = conn.Close()
				mu.Lock()
				delete(conns, conn)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		for conn := range conns {
			_ = conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}

// echo hides ReadFrom and WriteTo: a splice of its own would hold pipes too.
func echo(conn net.Conn) { _, _ = io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}) }

// relayed returns the address of a relay to a backend that serves each connection
// with f.
func relayed(t testing.TB, g *Group, f func(net.Conn)) string {
	t.Helper()
	backend := listen(t)
	serve(t, backend, f)
	front := listen(t)
	if _, err := serveOn(g, front, func(c *Conn) { relayTo(c, addrOf(backend)) }); err != nil {
		t.Fatal(err)
	}
	return front.Addr().String()
}

func dial(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(wait))
	return conn.(*net.TCPConn)
}

func write(t testing.TB, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

// wantBytes reads exactly what is wanted.
func wantBytes(t testing.TB, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got[:n], err, want)
	}
}

// wantReset reads what is left of the connection, which must be want, and then
// a reset and not an end.
func wantReset(t testing.TB, conn net.Conn, want string) {
	t.Helper()
	got, err := io.ReadAll(conn)
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
	if string(got) != want {
		t.Errorf("%d bytes before the reset, want %d", len(got), len(want))
	}
}

func resetNet(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(wait)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", wait, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// descriptors returns how many descriptors the process holds.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc")
	}
	return len(entries)
}

// wantOp checks the direction that an error is about.
func wantOp(t testing.TB, err error, op string, is error) {
	t.Helper()
	var e *net.OpError
	if !errors.As(err, &e) || e.Op != op || !errors.Is(err, is) {
		t.Errorf("the error is %v, want Op %s and %v", err, op, is)
	}
}

// wantNoConns checks that all connections of the Group are closed, soon.
func wantNoConns(t testing.TB, g *Group) {
	t.Helper()
	eventually(t, "all connections are closed", func() bool {
		n := 0
		for _, l := range g.Loops() {
			n += l.Conns()
		}
		return n == 0
	})
}
