package health

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"fourseven/internal/testkit"
)

func lenient(log io.Writer) *Lenient {
	return &Lenient{Path: "/health", Logger: slog.New(slog.NewTextHandler(log, nil))}
}

// Pins what a first try with any HTTP backend leads to: one without a health page had
// been down for ever.
func TestLenientProbeOfHTTP(t *testing.T) {
	tests := []struct {
		name     string
		statuses []int  // of the responses, one a probe
		passed   string // of each probe
		logged   int
	}{
		{"a page", []int{200, 204, 302}, "+++", 0},
		{"no page", []int{404, 404, 405, 501, 404}, "+++++", 1},
		{"no page, and trouble", []int{404, 500, 404, 401}, "+-+-", 1},
		{"trouble, then no page", []int{503, 404}, "-+", 1},
		{"a page that went", []int{200, 404, 405, 501, 200}, "+---+", 0},
		{"a page that came and went", []int{404, 200, 404}, "++-", 1},
		{"login", []int{401, 403, 400}, "---", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var status atomic.Int64
			b := backendOf(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) })
			var log bytes.Buffer
			l, passed := lenient(&log), ""
			for _, s := range tt.statuses {
				status.Store(int64(s))
				if err := l.Probe(t.Context(), b); err == nil {
					passed += "+"
				} else if passed += "-"; !strings.Contains(err.Error(), fmt.Sprintf("GET /health: status %d", s)) {
					t.Errorf("error %v", err)
				}
			}
			if passed != tt.passed {
				t.Errorf("passed %s, want %s", passed, tt.passed)
			}
			if got := strings.Count(log.String(), "LB_HEALTH_CHECK=http"); got != tt.logged || strings.Count(log.String(), "\n") != tt.logged {
				t.Errorf("logged %d lines, want %d:\n%s", got, tt.logged, &log)
			}
		})
	}
}

// Pins what a first try with a backend of another protocol leads to: databases had been
// down for ever. They are asked for a page once alone.
func TestLenientProbeOfOtherProtocols(t *testing.T) {
	for name, respond := range map[string]func(net.Conn){
		"an error":    func(c net.Conn) { _, _ = io.WriteString(c, "-ERR unknown command\r\n") },
		"the request": func(c net.Conn) { _, _ = io.WriteString(c, "GET /health HTTP/1.1\r\n\r\n") },
		"an end":      func(net.Conn) {},
		"a reset":     func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) },
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			b := serveTCP(t, func(conn net.Conn) { // responds to bytes alone, as a database does
				if n, _ := conn.Read(make([]byte, 1<<10)); n > 0 {
					asked.Add(1)
					respond(conn)
				}
			})
			var log bytes.Buffer
			l := lenient(&log)
			for range 3 {
				if err := l.Probe(t.Context(), b); err != nil {
					t.Error(err)
				}
			}
			if asked.Load() != 1 || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "LB_HEALTH_CHECK=http") {
				t.Errorf("asked %d times, want once; logged:\n%s", asked.Load(), &log)
			}
		})
	}
}

// Pins that a lenient probe fails where nothing works: it does not take a port proxy with
// nothing behind it, or an HTTP backend that broke, for a backend of another protocol.
func TestLenientProbeOfBrokenBackends(t *testing.T) {
	var log bytes.Buffer
	l := lenient(&log)
	refusing := NewBackend(testkit.ReserveAddr(t))
	if err := l.Probe(t.Context(), refusing); err == nil {
		t.Error("nothing listens, and it passed")
	}
	malformed := serveHTTP(t, "HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n")
	if err := l.Probe(t.Context(), malformed); err == nil {
		t.Error("a response that L7 refuses passed")
	}
	var broken atomic.Bool
	web := backendOf(t, func(http.ResponseWriter, *http.Request) {
		if broken.Load() {
			panic(http.ErrAbortHandler) // closes the connection
		}
	})
	if err := l.Probe(t.Context(), web); err != nil {
		t.Error(err)
	}
	broken.Store(true)
	if err := l.Probe(t.Context(), web); err == nil {
		t.Error("an HTTP backend that closes connections passed")
	}
	for _, b := range []*Backend{refusing, malformed} {
		if habit(b.habit.Load()) == notHTTP {
			t.Errorf("%s counts as one that does not speak HTTP", b.Addr)
		}
	}
	if log.Len() > 0 {
		t.Errorf("logged %s", &log)
	}
}
