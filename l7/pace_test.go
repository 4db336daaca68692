//go:build linux

package l7_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"fourseven/internal/testkit"
	"fourseven/l7"
)

// step is the time between two pieces of a slow body, and slowSteps how many of them take
// several times the time-out.
const (
	step      = short / 10
	slowSteps = 40
)

// slowly writes the piece that many times, one a step, until a write fails.
func slowly(w io.Writer, piece string) {
	for range slowSteps {
		if _, err := io.WriteString(w, piece); err != nil {
			return
		}
		time.Sleep(step) // the pace that is tested
	}
}

// TestMinRateUpload pins that a request's body which drips is cut off, and that one
// which is slow but above the rate is not: a byte a minute held a connection for ever.
func TestMinRateUpload(t *testing.T) {
	p := startProxy(t, func(s *l7.Server) { shortTimeouts(s); s.MinRate = 100 }, httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n)
	}))
	for _, tt := range []struct {
		name, head, piece, end string
		status                 int
	}{
		{"drips", "Content-Length: 1000000\r\n\r\n", "x", "", 408},
		{"drips in chunks", "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", "", 408},
		{"is slow", fmt.Sprintf("Content-Length: %d\r\n\r\n", 100*slowSteps), fmt.Sprintf("%100s", ""), "", 200},
		{"is slow in chunks", "Transfer-Encoding: chunked\r\n\r\n", fmt.Sprintf("64\r\n%100s\r\n", ""), "0\r\n\r\n", 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			nc := p.dial(t)
			begun := time.Now()
			_, _ = io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\n"+tt.head)
			go func() {
				slowly(nc, tt.piece)
				_, _ = io.WriteString(nc, tt.end)
			}()
			resp, _ := readResponse(t, bufio.NewReader(nc), post)
			if resp.StatusCode != tt.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
			}
			if d := time.Since(begun); d < short {
				t.Errorf("after %s, want %s at least", d, short)
			}
		})
	}
}

// TestMinRateResponse pins that a response's body of known length which drips is cut off,
// and that one without a length, such as SSE or a long poll, is not.
func TestMinRateResponse(t *testing.T) {
	for _, tt := range []struct {
		name, head, piece, end string
		whole                  bool
	}{
		{"with a length", "Content-Length: 1000000\r\n\r\n", "x", "", false},
		{"in chunks", "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", "0\r\n\r\n", true},
		{"until the end of the connection", "\r\n", "x", "", true},
		{"with a length, above the rate", fmt.Sprintf("Content-Length: %d\r\n\r\n", 100*slowSteps), fmt.Sprintf("%100s", ""), "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, func(s *l7.Server) { shortTimeouts(s); s.MinRate = 100 }, scriptedBackend(t, func(nc net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
					_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n"+tt.head)
					slowly(nc, tt.piece)
					_, _ = io.WriteString(nc, tt.end)
				}
			}))
			nc := p.dial(t)
			_, _ = io.WriteString(nc, get)
			resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if whole := err == nil; whole != tt.whole {
				t.Errorf("%d bytes, %v; whole: %v, want %v", len(body), err, whole, tt.whole)
			}
			if !tt.whole && len(body) >= slowSteps {
				t.Error("not cut off")
			}
		})
	}
}

// TestMinRateReaders pins the bound for a client that reads slowly, and that without one a
// client which reads steadily is not taken for silent: there is room for the next write
// only after a third of the socket's buffer was read, megabytes.
func TestMinRateReaders(t *testing.T) {
	const much = 64 << 20
	for _, rate := range []int64{0, 1 << 30} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, func(s *l7.Server) { shortTimeouts(s); s.MinRate = rate }, scriptedBackend(t, func(nc net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
					_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
					_, _ = fmt.Fprintf(nc, "%x\r\n", much)
					_, _ = nc.Write(make([]byte, much))
				}
			}))
			nc := p.dial(t)
			_ = nc.SetReadBuffer(64 << 10)
			_, _ = io.WriteString(nc, get)
			buf := make([]byte, 32<<10)
			var err error
			for range slowSteps {
				if _, err = io.ReadFull(nc, buf); err != nil {
					break
				}
				time.Sleep(step)
			}
			if rate == 0 && (err != nil || p.Active() != 1) {
				t.Errorf("cut off: %v, %d active", err, p.Active())
			}
			if rate > 0 {
				testkit.Eventually(t, "the slow reader to be cut off", func() bool { return p.Active() == 0 })
			}
		})
	}
}

// TestInterimResponsesDoNotExtend pins that 1xx responses leave the time-out of the
// final one as it is: 64 of them stretched a request to 64 times its time-out.
func TestInterimResponsesDoNotExtend(t *testing.T) {
	p := startProxy(t, shortTimeouts, scriptedBackend(t, func(nc net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
			slowly(nc, "HTTP/1.1 103 Early Hints\r\n\r\n")
			_, _ = io.WriteString(nc, plainAnswer)
		}
	}))
	begun := time.Now()
	nc := p.dial(t)
	_, _ = io.WriteString(nc, get)
	br, status := bufio.NewReader(nc), 103
	for status == 103 {
		resp, _ := readResponse(t, br, get)
		status = resp.StatusCode
	}
	if status != 504 {
		t.Errorf("status %d, want 504", status)
	}
	if d := time.Since(begun); d < short {
		t.Errorf("after %s, want %s", d, short)
	}
}
