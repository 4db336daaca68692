package l7_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fourseven/l7"
)

// closesAtOnce is a backend behind a port proxy that has nothing behind it. It counts
// the connections.
func closesAtOnce(t *testing.T, conns *atomic.Int32) string {
	return scriptedBackend(t, func(net.Conn) { conns.Add(1) })
}

// TestElsewhere pins that a request that may be repeated is tried once on another backend
// if the first breaks a new connection without a byte of a response: every other GET
// failed for as long as a port proxy accepted in place of a backend.
func TestElsewhere(t *testing.T) {
	const put = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
	for _, tt := range []struct {
		name    string
		request string
		retries int
		bad     int // backends that close at once, of three
		lost    int // of six requests
	}{
		{"GET", get, 2, 1, 0},
		{"PUT with its body", put, 2, 1, 0},
		{"once only", get, 2, 2, 2}, // in the first round of turns the other bad one is tried next
		{"POST", post, 2, 1, 2},
		{"no retries", get, 0, 1, 2},
		{"one retry", get, 1, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var conns atomic.Int32
			var backends []string
			for i := range 3 {
				if i < tt.bad {
					backends = append(backends, closesAtOnce(t, &conns))
				} else {
					backends = append(backends, httpBackend(t, answerOK))
				}
			}
			p := startProxy(t, func(s *l7.Server) { s.Retries = tt.retries }, backends...)
			lost := 0
			for range 6 {
				resp, _ := p.do(t, tt.request)
				switch resp.StatusCode {
				case 200:
				case 502:
					lost++
				default:
					t.Errorf("status %d", resp.StatusCode)
				}
			}
			if lost != tt.lost {
				t.Errorf("%d of 6 requests lost, want %d", lost, tt.lost)
			}
			if conns.Load() == 0 {
				t.Error("the bad backend was not tried")
			}
		})
	}
}

// TestElsewhereIsNoneLeft pins that with one backend the response is a 502, as before.
func TestElsewhereIsNoneLeft(t *testing.T) {
	var conns atomic.Int32
	p := startProxy(t, nil, closesAtOnce(t, &conns))
	if resp, _ := p.do(t, get); resp.StatusCode != 502 || conns.Load() != 1 {
		t.Errorf("status %d after %d connections, want 502 after one", resp.StatusCode, conns.Load())
	}
}

// TestNotElsewhere pins what is not tried elsewhere: a request that got a part of a
// response, an interim one included, and one that timed out.
func TestNotElsewhere(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		hangs        bool
		want         int
	}{
		{"a part of the head", "HTTP/1.1 200 OK\r\n", false, 502},
		{"an interim response", "HTTP/1.1 103 Early Hints\r\n\r\n", false, 502},
		{"a time-out", "", true, 504},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := scriptedBackend(t, func(nc net.Conn) {
				_, _ = http.ReadRequest(bufio.NewReader(nc))
				_, _ = io.WriteString(nc, tt.answer)
				if tt.hangs {
					_, _ = io.Copy(io.Discard, nc)
				}
			})
			var others atomic.Int32
			p := startProxy(t, func(s *l7.Server) { s.BackendTimeout = 200 * time.Millisecond }, bad,
				httpBackend(t, func(w http.ResponseWriter, r *http.Request) { others.Add(1) }))
			nc := p.dial(t)
			_, _ = io.WriteString(nc, get)
			answer, _ := io.ReadAll(io.LimitReader(nc, int64(len("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 502"))))
			if want := fmt.Sprint("HTTP/1.1 ", tt.want); !strings.Contains(string(answer), want) {
				t.Errorf("response %q, want %s", answer, want)
			}
			if others.Load() != 0 {
				t.Error("sent to another backend too")
			}
		})
	}
}
