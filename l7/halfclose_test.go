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

	"golang.org/x/sys/unix"

	"fourseven/l4"
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
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", "8")
			w.WriteHeader(200)
			for _, piece := range []string{"", "begun ", "o", "k"} {
				_, _ = io.WriteString(w, piece)
				w.(http.Flusher).Flush()
				drip(io.Discard, pause, 1, func() {})
			}
			return
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
		{"response with a length", "GET /length HTTP/1.1\r\nHost: a\r\n\r\n", "begun ok"},
		{"response with a length, HTTP/1.0", "GET /length HTTP/1.0\r\n\r\n", "begun ok"},
		{"response until close, HTTP/1.0", "GET /stream HTTP/1.0\r\n\r\n", "begun ok"},
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

// TestHalfCloseInAPause pins that a client gets its whole answer whose FIN comes when the
// head and a part of the body have been sent already and the backend pauses.
func TestHalfCloseInAPause(t *testing.T) {
	p := startProxy(t, nil, httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "8")
		_, _ = io.WriteString(w, "begun ")
		w.(http.Flusher).Flush()
		drip(io.Discard, 700*time.Millisecond, 1, func() {})
		_, _ = io.WriteString(w, "ok")
	}))
	for range 20 {
		nc := p.dial(t)
		_, _ = io.WriteString(nc, get)
		br := bufio.NewReader(nc)
		if _, err := br.ReadString('n'); err != nil { // all but the byte that is kept back
			t.Fatal(err)
		}
		_ = nc.CloseWrite()
		if br.Buffered() > 0 || readable(t, nc) {
			continue // on a busy machine: the FIN came after that byte was sent
		}
		if rest, err := io.ReadAll(br); string(rest) != " ok" || err != nil {
			t.Errorf("got %q, %v", rest, err)
		}
		return
	}
	t.Skip("too slow a machine to end a stream within 50 ms")
}

// readable reports whether anything has arrived.
func readable(t *testing.T, nc *net.TCPConn) bool {
	t.Helper()
	raw, err := nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var events int16
	if err := raw.Control(func(fd uintptr) { events, err = l4.Poll(fd, unix.POLLIN) }); err != nil {
		t.Fatal(err)
	}
	return events != 0
}

// TestHalfCloseSlowReader pins that a client that has ended its half may read a large
// answer as slowly as it likes.
func TestHalfCloseSlowReader(t *testing.T) {
	const size = 24 << 20 // more than the buffers on the way hold
	body := strings.Repeat("x", size)
	for _, framing := range []string{"length", "until close"} {
		t.Run(framing, func(t *testing.T) {
			p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(nc)); err != nil {
					return
				}
				length := fmt.Sprintf("Content-Length: %d\r\n", size)
				if framing != "length" {
					length = ""
				}
				_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n"+length+"\r\n"+body)
			}))
			nc := p.dial(t)
			_, _ = io.WriteString(nc, "GET / HTTP/1.0\r\n\r\n")
			_ = nc.CloseWrite()
			br := bufio.NewReader(nc)
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				drip(io.Discard, 700*time.Millisecond, 1, func() {})
				if _, err := io.CopyN(io.Discard, resp.Body, size/4); err != nil {
					t.Fatal(err)
				}
			}
			if n, err := io.Copy(io.Discard, resp.Body); n != size/4 || err != nil {
				t.Errorf("the rest is %d bytes, %v", n, err)
			}
		})
	}
}
