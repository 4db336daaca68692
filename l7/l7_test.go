package l7_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fourseven/health"
	"fourseven/internal/testkit"
	"fourseven/l4"
	"fourseven/l7"
)

// patience is how long a test waits for what must happen.
const patience = testkit.Patience

// TestMain checks that no goroutine outlives the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// proxy is a Server on a port of its own.
type proxy struct {
	*l7.Server
	addr string
}

// startProxy serves in front of the backends until the test's end, and checks then
// that nothing is left of any request.
func startProxy(t testing.TB, configure func(*l7.Server), backends ...string) *proxy {
	t.Helper()
	return startProxyOn(t, testkit.Listen(t), configure, backends...)
}

// startProxyOn is startProxy on a listener that is there.
func startProxyOn(t testing.TB, ln net.Listener, configure func(*l7.Server), backends ...string) *proxy {
	t.Helper()
	list := make([]*health.Backend, len(backends))
	for i, addr := range backends {
		list[i] = health.NewBackend(addr)
	}
	s := newServer(list...)
	if configure != nil {
		configure(s)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; !errors.Is(err, l7.ErrServerClosed) {
			t.Errorf("Serve: %v, want ErrServerClosed", err)
		}
		if n := s.Active(); n != 0 {
			t.Errorf("%d requests active after Shutdown", n)
		}
		for _, b := range list {
			if n := b.Active(); n != 0 {
				t.Errorf("backend %s has %d active after Shutdown", b.Addr, n)
			}
		}
	})
	return &proxy{s, ln.Addr().String()}
}

// newServer returns a Server whose limits no test meets by accident.
func newServer(backends ...*health.Backend) *l7.Server {
	pool := health.NewPool(backends...)
	pool.MarkAllUp()
	return &l7.Server{
		Pool:           pool,
		Dialer:         &l4.Dialer{Timeout: patience},
		Retries:        2,
		HeaderTimeout:  patience,
		IdleTimeout:    patience,
		BackendTimeout: patience,
		Relays:         &l4.Relays{},
	}
}

// dial connects to the proxy, with a deadline for all that follows.
func (p *proxy) dial(t testing.TB) *net.TCPConn {
	t.Helper()
	nc, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return nc.(*net.TCPConn)
}

// do sends raw bytes over a connection of its own and reads one response.
func (p *proxy) do(t testing.TB, raw string) (*http.Response, string) {
	t.Helper()
	nc := p.dial(t)
	if _, err := io.WriteString(nc, raw); err != nil {
		t.Fatal(err)
	}
	return readResponse(t, bufio.NewReader(nc), raw)
}

// readResponse reads the response to the request that starts with these bytes.
func readResponse(t testing.TB, br *bufio.Reader, raw string) (*http.Response, string) {
	t.Helper()
	method := "GET"
	if len(raw) > 4 && raw[:4] == "HEAD" {
		method = "HEAD"
	}
	resp, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("response to %.60q: %v", raw, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("body of the response to %.60q: %v", raw, err)
	}
	return resp, string(body)
}
