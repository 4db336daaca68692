package l7_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestHalfCloseWaits pins that a client that ends its half after the request gets
// its answer, however long the backend takes: it has not left.
func TestHalfCloseWaits(t *testing.T) {
	const pause = 700 * time.Millisecond
	p := startProxy(t, nil, httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/early" {
			w.WriteHeader(103)
		}
		if r.URL.Path == "/stream" {
			_, _ = io.WriteString(w, "begun ")
			w.(http.Flusher).Flush()
			drip(io.Discard, pause, 1, func() {})
		}
		drip(io.Discard, pause, 1, func() {})
		_, _ = io.WriteString(w, "ok")
	}))
	for _, test := range []struct{ name, request, want string }{
		{"plain", get, "ok"},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "ok"},
		{"last request", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "ok"},
		{"with a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "ok"},
		{"chunked response", "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", "begun ok"},
		{"interim response", "GET /early HTTP/1.1\r\nHost: a\r\n\r\n", "ok"},
	} {
		t.Run(test.name, func(t *testing.T) {
			nc := p.dial(t)
			_, _ = io.WriteString(nc, test.request)
			_ = nc.CloseWrite()
			all, err := io.ReadAll(nc)
			if err != nil {
				t.Fatalf("after %q: %v", all, err)
			}
			_, final, interim := strings.Cut(string(all), "103 Early Hints\r\n\r\n")
			if !interim {
				final = string(all)
			}
			if _, body := readResponse(t, bufio.NewReader(strings.NewReader(final)), test.request); body != test.want {
				t.Errorf("got %q", all)
			}
		})
	}
}

// TestHalfClosePipelined pins that each of the requests is answered in turn.
func TestHalfClosePipelined(t *testing.T) {
	p := startProxy(t, nil, httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		drip(io.Discard, 300*time.Millisecond, 1, func() {})
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	nc := p.dial(t)
	for i := range 3 {
		_, _ = fmt.Fprintf(nc, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i)
	}
	_ = nc.CloseWrite()
	br := bufio.NewReader(nc)
	for i := range 3 {
		if _, body := readResponse(t, br, get); body != fmt.Sprintf("/%d", i) {
			t.Errorf("answer %d is %q", i, body)
		}
	}
}

// TestHalfCloseThenFailure pins that an answer of our own is whole, too.
func TestHalfCloseThenFailure(t *testing.T) {
	p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(nc))
		drip(io.Discard, 500*time.Millisecond, 1, func() {})
	}))
	nc := p.dial(t)
	_, _ = io.WriteString(nc, get)
	_ = nc.CloseWrite()
	if resp, _ := readResponse(t, bufio.NewReader(nc), get); resp.StatusCode != 502 {
		t.Errorf("got %d", resp.StatusCode)
	}
}
