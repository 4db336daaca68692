package l4

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fourseven/health"
	"fourseven/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wait bounds everything that a test waits for.
const wait = testkit.Patience

// backend serves each connection with a function of its own goroutine, and
// closes it afterwards unless the function did.
func backend(t testing.TB, serve func(*net.TCPConn)) *health.Backend {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				_ = conn.SetDeadline(time.Now().Add(2 * wait))
				serve(conn.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	return health.NewBackend(ln.Addr().String())
}

// refusing returns a backend that refuses connections.
func refusing(t testing.TB) *health.Backend {
	t.Helper()
	return health.NewBackend(testkit.ReserveAddr(t))
}

// echo hides ReadFrom and WriteTo: a splice of its own would hold pipes too.
func echo(conn *net.TCPConn) {
	_, _ = io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn})
}

// named returns a backend's function that writes a name and ends.
func named(name string) func(*net.TCPConn) {
	return func(conn *net.TCPConn) { _, _ = io.WriteString(conn, name) }
}

type proxy struct {
	*Server
	endc chan Record // of each connection that ended
	addr string
	stop func(context.Context) error
}

// start serves the backends, all up, on a loopback port until the test ends.
func start(t testing.TB, srv *Server, backends ...*health.Backend) *proxy {
	t.Helper()
	ln, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, ln, srv, backends...)
}

// startOn is start on a listener that is there.
func startOn(t testing.TB, ln net.Listener, srv *Server, backends ...*health.Backend) *proxy {
	t.Helper()
	srv.Pool = health.NewPool(backends...)
	srv.Pool.MarkAllUp()
	if srv.Dialer == nil {
		srv.Dialer = &Dialer{Timeout: 2 * wait} // no test waits for it by accident
	}
	if srv.Logger == nil {
		srv.Logger = slog.New(slog.DiscardHandler)
	}
	servec := make(chan error, 1)
	var once sync.Once
	p := &proxy{Server: srv, addr: ln.Addr().String(), endc: make(chan Record, 10000)}
	srv.Ended = func(rec Record) {
		select {
		case p.endc <- rec:
		default: // a benchmark
		}
	}
	go func() { servec <- srv.Serve(ln) }()
	p.stop = func(ctx context.Context) (err error) {
		once.Do(func() {
			err = srv.Shutdown(ctx)
			if serveErr := <-servec; !errors.Is(serveErr, ErrServerClosed) {
				t.Errorf("Serve returned %v, want ErrServerClosed", serveErr)
			}
		})
		return err
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = p.stop(ctx)
	})
	return p
}

func (p *proxy) dial(t testing.TB) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(wait))
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

// ask returns what a backend writes by itself.
func ask(t *testing.T, p *proxy) string {
	t.Helper()
	conn := p.dial(t)
	defer func() { _ = conn.Close() }()
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("read: %v", err)
	}
	return string(got)
}

// wantEnding waits for the next connection to end and checks the reason.
func (p *proxy) wantEnding(t testing.TB, want Ending) Record {
	t.Helper()
	select {
	case rec := <-p.endc:
		if rec.Reason != want {
			t.Errorf("the connection ended with %s, want %s", rec.Reason, want)
		}
		return rec
	case <-time.After(wait):
		t.Fatalf("no connection ended, want %s", want)
		return Record{}
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
