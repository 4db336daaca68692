package l7_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"

	"fourseven/health"
	"fourseven/internal/testkit"
	"fourseven/l7"
)

// takeDown makes a probe of the backend fail, as the checker does.
func takeDown(t *testing.T, pool *health.Pool, down *health.Backend) {
	t.Helper()
	probe := func(_ context.Context, b *health.Backend) error {
		if b == down {
			return errors.New("down")
		}
		return nil
	}
	(&health.Checker{Pool: pool, Probe: probe, Timeout: patience}).CheckAll(t.Context())
}

// answersPart answers each request with what its path asks for, and goes no further.
func answersPart(asked chan<- string) func(net.Conn) {
	return func(nc net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil {
			return
		}
		_, _ = io.WriteString(nc, map[string]string{
			"/head": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
			"/all":  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		}[r.URL.Path])
		asked <- r.URL.Path
		_, _ = io.Copy(io.Discard, nc)
	}
}

// TestCutBackend pins what becomes of the requests that a backend has when it goes
// down: 502 where nothing has been answered, else a broken body; and that those of
// another backend go on.
func TestCutBackend(t *testing.T) {
	for _, tt := range []struct {
		path   string
		status int
		body   string
		err    error
		cut    int
		reason string
	}{
		{"/nothing", 502, `{"error":"Bad Gateway"}`, nil, 1, "backend_down"},
		{"/head", 200, "hel", io.ErrUnexpectedEOF, 1, "backend_down"},
		{"/all", 200, "hello", nil, 0, ""},
	} {
		t.Run(tt.path, func(t *testing.T) {
			asked, reasons := make(chan string, 2), make(chan string, 2)
			p := startProxy(t, func(s *l7.Server) {
				s.CutOnDown = true
				s.Served = func(r *l7.Record) { reasons <- string(r.Reason) }
			}, scriptedBackend(t, answersPart(asked)), scriptedBackend(t, answersPart(asked)))
			one, other := p.dial(t), p.dial(t)
			_, _ = io.WriteString(one, "GET "+tt.path+" HTTP/1.1\r\nHost: a\r\n\r\n")
			<-asked
			_, _ = io.WriteString(other, "GET /head HTTP/1.1\r\nHost: a\r\n\r\n")
			<-asked
			body := begin(t, one, tt.status != 502)
			rest := begin(t, other, true)

			backends := p.Pool.Backends()
			p.Pool.OnTransition = func(tr health.Transition) {
				if !tr.WentDown {
					return
				}
				if n := p.CutBackend(tr.Backend); n != tt.cut {
					t.Errorf("%d requests were cut, want %d", n, tt.cut)
				}
			}
			takeDown(t, p.Pool, backends[0])
			resp := body()
			got, err := io.ReadAll(resp.Body)
			if resp.StatusCode != tt.status || string(got) != tt.body || !errors.Is(err, tt.err) {
				t.Errorf("got %d %q, %v, want %d %q, %v", resp.StatusCode, got, err, tt.status, tt.body, tt.err)
			}
			if got := <-reasons; got != tt.reason {
				t.Errorf("recorded as %q, want %q", got, tt.reason)
			}
			if n := p.CutBackend(backends[1]); n != 1 {
				t.Errorf("the other backend has %d requests, want 1", n)
			}
			_ = rest().Body.Close()
		})
	}
}

// begin returns what reads the response, which has begun already if there is one.
func begin(t *testing.T, nc net.Conn, begun bool) func() *http.Response {
	t.Helper()
	br := bufio.NewReader(nc)
	if begun {
		if _, err := br.Peek(1); err != nil {
			t.Fatal(err)
		}
	}
	return func() *http.Response {
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
}

// TestDownSinceItsTurn pins that a backend which goes down while a request waits for
// a connection to it does not get that request: another one does.
func TestDownSinceItsTurn(t *testing.T) {
	asked, release := make(chan struct{}, 2), make(chan struct{})
	one := httpBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-release
		_, _ = io.WriteString(w, "one")
	})
	two := httpBackend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "two") })
	p := startProxy(t, func(s *l7.Server) { s.CutOnDown, s.MaxBackendConns = true, 1 }, one, two)
	first, third := p.dial(t), p.dial(t)
	_, _ = io.WriteString(first, get)
	<-asked
	if _, body := p.do(t, get); body != "two" {
		t.Fatalf("the second request went to %q", body)
	}
	_, _ = io.WriteString(third, get)
	down := p.Pool.Backends()[0]
	testkit.Eventually(t, "the third request has its turn", func() bool { return down.Active() == 2 })
	takeDown(t, p.Pool, down)
	close(release)
	resp, err := http.ReadResponse(bufio.NewReader(third), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(resp.Body); string(got) != "two" {
		t.Errorf("the third request went to %q, %v", got, err)
	}
}
