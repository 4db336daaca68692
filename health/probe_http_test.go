package health

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// serveHTTP sends this response once the request's head has come.
func serveHTTP(t *testing.T, response string) *Backend {
	t.Helper()
	return serveTCP(t, func(conn net.Conn) {
		var got []byte
		for buf := make([]byte, 1<<10); !bytes.Contains(got, []byte("\r\n\r\n")); {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			got = append(got, buf[:n]...)
		}
		_, _ = io.WriteString(conn, response)
	})
}

// Pins that a probe reads a response as L7 does. With another parser a backend was up
// while every request to it was a 502, and down while L7 could use it.
func TestHTTPProbeReadsLikeL7(t *testing.T) {
	tests := []struct{ name, response, err string }{
		{"plain", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""},
		{"bare LF", "HTTP/1.0 200 OK\nServer: old\n\nok", ""},
		{"interim", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
		{"a space in a name", "HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n", "malformed response"},
		{"interim for ever", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100), "malformed response"},
		{"cut off", "HTTP/1.1 200 OK\r\nContent-Le", "unexpected EOF"},
		{"another status", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "GET /h: status 503"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := httpProbe("/h", only200, Via{})(t.Context(), serveHTTP(t, tt.response))
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// Pins that the Host of a probe has the port that is probed: it had that of the traffic.
func TestHostOfProbe(t *testing.T) {
	var host string
	b := backendOf(t, func(_ http.ResponseWriter, r *http.Request) { host = r.Host })
	if err := httpProbe("/", only200, Via{Port: netPort(t, b.Addr)})(t.Context(), NewBackend("127.0.0.1:1")); err != nil || host != b.Addr {
		t.Errorf("Host %q, want %q: %v", host, b.Addr, err)
	}
	for _, tt := range []struct {
		addr string
		port int
		want string
	}{
		{"web:80", 0, "web:80"},
		{"web:80", 8008, "web:8008"},
		{"[::1]:80", 8008, "[::1]:8008"},
		{"[fe80::1%eth0]:80", 0, "[fe80::1]:80"},
		{"unix:/run/web", 8008, "localhost"},
	} {
		if got := (Via{Port: tt.port}).hostOf(NewBackend(tt.addr)); got != tt.want {
			t.Errorf("%s with port %d: %q, want %q", tt.addr, tt.port, got, tt.want)
		}
	}
}

// Pins that a probe's failure names the setting that remedies it, and that an outage
// names none.
func TestHintsOfHTTPProbe(t *testing.T) {
	tests := []struct{ name, response, hint string }{
		{"no such page", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "LB_HEALTH_PATH"},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", "LB_HEALTH_STATUS"},
		{"login", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "LB_HEALTH_PATH"},
		{"broken", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", ""},
		{"another protocol", "-ERR unknown command\r\n", "LB_HEALTH_CHECK=tcp"},
		{"TLS alert", "\x15\x03\x01\x00\x02\x02\x0a", "LB_HEALTH_TLS=on"},
		{"nothing", "", "LB_HEALTH_PROXY"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := httpProbe("/h", only200, Via{})(t.Context(), serveHTTP(t, tt.response))
			h := hinted{}
			if err == nil || errors.As(err, &h) && (h.hint == "") != (tt.hint == "") || !strings.Contains(h.hint, tt.hint) {
				t.Errorf("error %v with the hint %q, want %q", err, h.hint, tt.hint)
			}
			var buf bytes.Buffer
			p := upPool(t, 1)
			logTo(p, &buf)
			p.record(1, 1, probed(p, 0, err))
			if got := buf.String(); strings.Contains(got, "hint=") != (tt.hint != "") {
				t.Errorf("logged %s", got)
			}
		})
	}
}
