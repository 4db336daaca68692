package l7_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"fourseven/l7"
)

const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// TestBrokenResponse pins that a response that breaks off never looks complete,
// where it ends exactly at a chunk's end too.
func TestBrokenResponse(t *testing.T) {
	for _, test := range []struct{ name, request, answer string }{
		{"length", get, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"},
		{"chunked", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhello"},
		{"chunk's end", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"},
		{"before the trailers' end", get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: 1\r\n"},
		{"length, HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"},
		{"chunk's end, HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := make(chan struct{})
			p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(nc)); err != nil {
					return
				}
				_, _ = io.WriteString(nc, test.answer)
				<-got // the client has what was sent: now break off
			}))
			expectBroken(t, p, test.request, got)
		})
	}
}

// TestResetUntilClose pins that a response without a length, which a reset ends,
// is broken for the client as well.
func TestResetUntilClose(t *testing.T) {
	for _, request := range []string{get, "GET / HTTP/1.0\r\n\r\n"} {
		got := make(chan struct{})
		p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(nc)); err != nil {
				return
			}
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\nhello")
			<-got
			_ = nc.(*net.TCPConn).SetLinger(0)
		}))
		expectBroken(t, p, request, got)
	}
}

// expectBroken sends the request, reads "hello" of the body, and wants an error
// where the rest should be.
func expectBroken(t *testing.T, p *proxy, request string, got chan<- struct{}) {
	t.Helper()
	nc := p.dial(t)
	_, _ = io.WriteString(nc, request)
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	var hello [5]byte
	if _, err := io.ReadFull(resp.Body, hello[:]); err != nil {
		t.Fatal(err)
	}
	close(got)
	if rest, err := io.ReadAll(resp.Body); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the backend broke off the client reads %q and %v", rest, err)
	}
}

// TestBrokenUpload pins that a request body that breaks off never looks complete
// to the backend, at a chunk's end too.
func TestBrokenUpload(t *testing.T) {
	for _, test := range []struct{ name, request string }{
		{"length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"},
		{"chunk's end", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"},
		{"in a chunk", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhello"},
		{"before the last line end", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"},
	} {
		for _, leave := range []func(*net.TCPConn) error{(*net.TCPConn).CloseWrite, (*net.TCPConn).Close} {
			t.Run(test.name, func(t *testing.T) {
				begun, bodyErr := make(chan struct{}), make(chan error, 1)
				p := startProxy(t, nil, httpBackend(t, func(_ http.ResponseWriter, r *http.Request) {
					_, err := io.ReadFull(r.Body, make([]byte, 5))
					close(begun)
					if err == nil {
						_, err = io.ReadAll(r.Body)
					}
					bodyErr <- err
				}))
				nc := p.dial(t)
				_, _ = io.WriteString(nc, test.request)
				<-begun
				_ = leave(nc)
				if err := <-bodyErr; err == nil {
					t.Error("the backend took the body for complete")
				}
			})
		}
	}
}

// TestClientLeaves pins that the backend's connection is closed soon after the
// client's, while nothing flows.
func TestClientLeaves(t *testing.T) {
	const length = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
	for _, test := range []struct{ name, answer, reads string }{
		{"before the head", "", ""},
		{"in a silent body", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ""},
		{"in a silent body with a length", length + "hello", ""},
		{"before a body with a length", length, ""},
		{"having read what came of a body with a length", length + "hello", "hello"},
		{"having read a head", length, "\r\n\r\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked, gone := make(chan struct{}), make(chan time.Time, 1)
			p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
				br := bufio.NewReader(nc)
				if _, err := http.ReadRequest(br); err != nil {
					return
				}
				_, _ = io.WriteString(nc, test.answer)
				close(asked)
				_, _ = br.ReadByte()
				gone <- time.Now()
			}))
			nc := p.dial(t)
			_, _ = io.WriteString(nc, get)
			<-asked
			var got strings.Builder
			for !strings.HasSuffix(got.String(), test.reads) {
				if _, err := io.CopyN(&got, nc, 1); err != nil {
					t.Fatal(err)
				}
			}
			left := time.Now()
			_ = nc.Close()
			if d := (<-gone).Sub(left); d > patience/4 { // all time-outs are longer
				t.Errorf("the backend was left %s after the client left", d)
			}
		})
	}
}

// TestHalfClose pins that a client may end its side once it has asked.
func TestHalfClose(t *testing.T) {
	p := startProxy(t, nil, httpBackend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	nc := p.dial(t)
	_, _ = io.WriteString(nc, get)
	_ = nc.CloseWrite()
	if _, body := readResponse(t, bufio.NewReader(nc), get); body != "ok" {
		t.Errorf("got %q", body)
	}
}

// TestEarlyAnswer pins that an answer given while the body is still being sent
// reaches the client, from a backend that reads no more of it.
func TestEarlyAnswer(t *testing.T) {
	p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err != nil {
			return
		}
		_, _ = io.WriteString(nc, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig")
		_ = nc.(*net.TCPConn).CloseWrite()
		_, _ = io.CopyN(io.Discard, nc, 1<<20)
	}))
	nc := p.dial(t)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
		for piece := make([]byte, 1<<16); ; {
			if _, err := nc.Write(piece); err != nil {
				return
			}
		}
	}()
	resp, body := readResponse(t, bufio.NewReader(nc), "")
	if resp.StatusCode != 413 || body != "big" || !resp.Close {
		t.Errorf("got %d %q, close %v", resp.StatusCode, body, resp.Close)
	}
	_ = nc.Close()
	<-sent
}

// TestFullDuplex pins that both bodies flow at once: the backend answers what it
// has read so far, and the client waits for that before it sends on.
func TestFullDuplex(t *testing.T) {
	p := startProxy(t, nil, httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			_, _ = fmt.Fprintf(w, "echo %s\n", lines.Text())
			w.(http.Flusher).Flush()
		}
	}))
	nc := p.dial(t)
	br := bufio.NewReader(nc)
	_, _ = io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n0\n\r\n")
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	echoes := bufio.NewReader(resp.Body)
	for i := range 5 {
		if line, err := echoes.ReadString('\n'); line != fmt.Sprintf("echo %d\n", i) {
			t.Fatalf("echo %d: %q %v", i, line, err)
		}
		_, _ = fmt.Fprintf(nc, "2\r\n%d\n\r\n", i+1)
	}
	_, _ = io.WriteString(nc, "0\r\n\r\n")
	if rest, err := io.ReadAll(echoes); err != nil || string(rest) != "echo 5\n" {
		t.Errorf("rest %q %v", rest, err)
	}
	_, _ = io.WriteString(nc, get)
	if resp, _ := readResponse(t, br, get); resp.StatusCode != 200 {
		t.Errorf("the connection's next request: %d", resp.StatusCode)
	}
}

// TestSlowUploadIsSeen pins that the backend gets the first bytes of a body while
// the rest is not there: fasthttp's own server waits for 8 KiB.
func TestSlowUploadIsSeen(t *testing.T) {
	first := make(chan string, 1)
	p := startProxy(t, nil, httpBackend(t, func(_ http.ResponseWriter, r *http.Request) {
		var b [3]byte
		_, _ = io.ReadFull(r.Body, b[:])
		first <- string(b[:])
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	nc := p.dial(t)
	_, _ = io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
	if got := <-first; got != "abc" {
		t.Errorf("first bytes %q", got)
	}
	_, _ = io.WriteString(nc, "def")
	if resp, _ := readResponse(t, bufio.NewReader(nc), ""); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// TestLongTransfer pins that the time-outs are for silence: transfers that take
// several times as long are not cut.
func TestLongTransfer(t *testing.T) {
	const gap, pieces = 200 * time.Millisecond, 15
	p := startProxy(t, func(s *l7.Server) {
		s.HeaderTimeout, s.IdleTimeout, s.BackendTimeout = 5*gap, 5*gap, 5*gap
	}, httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if err != nil || len(got) != pieces {
			w.WriteHeader(400)
		}
		drip(w, gap, pieces, w.(http.Flusher).Flush)
	}))
	nc := p.dial(t)
	_, _ = fmt.Fprintf(nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", pieces)
	drip(nc, gap, pieces, func() {})
	if resp, body := readResponse(t, bufio.NewReader(nc), ""); resp.StatusCode != 200 || body != strings.Repeat("x", pieces) {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
}

func drip(w io.Writer, gap time.Duration, pieces int, flush func()) {
	ticker := time.NewTicker(gap)
	defer ticker.Stop()
	for range pieces {
		<-ticker.C
		if _, err := io.WriteString(w, "x"); err != nil {
			return
		}
		flush()
	}
}
