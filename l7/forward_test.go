package l7_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"fourseven/internal/testkit"
	"fourseven/l7"
)

// TestForward pins the plain path: what the backend gets and what comes back.
func TestForward(t *testing.T) {
	backend := httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header()["x-lower"] = []string{"1", "2"}
		fmt.Fprintf(w, "%s %s %s %s|%s %s %s", r.Method, r.RequestURI, r.Host, body,
			r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-Host"))
	})
	p := startProxy(t, nil, backend)
	resp, body := p.do(t, "POST /a%2Fb//c?x=1;y HTTP/1.1\r\nHost: example.com\r\nX-Forwarded-For: 6.6.6.6\r\nContent-Length: 5\r\n\r\nhello")
	if want := "POST /a%2Fb//c?x=1;y example.com hello|127.0.0.1 http example.com"; body != want {
		t.Errorf("got %q\nwant %q", body, want)
	}
	if resp.StatusCode != 200 || strings.Join(resp.Header["X-Lower"], ",") != "1,2" {
		t.Errorf("response %d %v", resp.StatusCode, resp.Header)
	}
}

// TestForwardTurns pins that requests take turns and that a dead backend's turns
// go to the other one without an error.
func TestForwardTurns(t *testing.T) {
	named := func(name string) string {
		return httpBackend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) })
	}
	p := startProxy(t, nil, named("1"), named("2"))
	got := ""
	for range 4 {
		_, body := p.do(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		got += body
	}
	if got != "1212" {
		t.Errorf("turns %s, want 1212", got)
	}
	p = startProxy(t, nil, testkit.ReserveAddr(t), named("2"))
	for range 4 {
		if resp, body := p.do(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"); body != "2" {
			t.Errorf("with one backend dead: %d %s", resp.StatusCode, body)
		}
	}
}

// TestForwardErrors pins the JSON bodies of DESIGN section 5.
func TestForwardErrors(t *testing.T) {
	addr := testkit.ReserveAddr(t)
	garbage := rawBackend(t, "this is not HTTP\r\n\r\n")
	for _, test := range []struct {
		name     string
		backends []string
		status   int
		body     string
	}{
		{"none", nil, 503, `{"error":"No healthy backends"}`},
		{"dead", []string{addr}, 503, `{"error":"Backend server http://` + addr + ` is not healthy"}`},
		{"garbage", []string{garbage}, 502, `{"error":"Bad Gateway"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := startProxy(t, func(s *l7.Server) { s.Retries = 1 }, test.backends...)
			resp, body := p.do(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if resp.StatusCode != test.status || body != test.body || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("got %d %s %q", resp.StatusCode, body, resp.Header.Get("Content-Type"))
			}
		})
	}
}

// TestHostless pins that an HTTP/1.0 request without Host, which has none to keep,
// reaches the backend as HTTP/1.1 with the address that it came to.
func TestHostless(t *testing.T) {
	p := startProxy(t, nil, httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto+" "+r.Host+" "+r.Header.Get("X-Forwarded-Host"))
	}))
	if resp, body := p.do(t, "GET / HTTP/1.0\r\n\r\n"); body != "HTTP/1.1 "+p.addr+" " {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

// TestRestartedBackend pins that a backend which was restarted, so that all kept
// connections are dead, costs no request, POST included.
func TestRestartedBackend(t *testing.T) {
	ln := testkit.Listen(t)
	addr := ln.Addr().String()
	serve := func(ln net.Listener) func() {
		srv := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
		})}
		done := make(chan struct{})
		go func() { defer close(done); _ = srv.Serve(ln) }()
		return func() { _ = srv.Close(); <-done }
	}
	stop := serve(ln)
	p := startProxy(t, nil, addr)
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { p.do(t, post) })
	}
	wg.Wait()
	stop()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(serve(ln))
	for range 20 {
		if resp, body := p.do(t, post); resp.StatusCode != 200 {
			t.Errorf("after a restart: %d %s", resp.StatusCode, body)
		}
	}
}
