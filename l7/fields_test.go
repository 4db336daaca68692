package l7_test

import (
	"fmt"
	"strings"
	"testing"
)

// lines returns n field lines.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		_, _ = fmt.Fprintf(&b, "f%d: 1\r\n", i)
	}
	return b.String()
}

// TestFieldLimit pins that a head and a trailer section have 128 fields at most: 16,000
// of them fit in 64 KiB, and 80 bytes each were kept for the life of the connection.
func TestFieldLimit(t *testing.T) {
	for _, tt := range []struct {
		name     string
		request  string
		response string
		want     int
	}{
		{"request with 128", "GET / HTTP/1.1\r\nHost: a\r\n" + lines(127) + "\r\n", "", 200},
		{"request with 129", "GET / HTTP/1.1\r\nHost: a\r\n" + lines(128) + "\r\n", "", 431},
		{"trailers with 128", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + lines(128) + "\r\n", "", 200},
		{"trailers with 129", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + lines(129) + "\r\n", "", 400},
		{"response with 128", get, lines(127), 200},
		{"response with 129", get, lines(128), 502},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := startProxy(t, nil, rawBackend(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"+tt.response+"\r\n"))
			if resp, _ := p.do(t, tt.request); resp.StatusCode != tt.want {
				t.Errorf("status %d, want %d", resp.StatusCode, tt.want)
			}
		})
	}
}
