//go:build linux

package e2e

import (
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestNotHTTP sends what is not HTTP to the L7 port.
func TestNotHTTP(t *testing.T) {
	t.Parallel()
	lb := serve(t, backendsOf(startBackends(t, 1)), "LB_L7_HEADER_TIMEOUT=1s")
	for _, garbage := range []string{
		"garbage\r\n\r\n",
		"\x00\x01\x02\xff\r\n\r\n",
		"GET\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
		"GET / SMTP/1.0\r\nHost: x\r\n\r\n",
		"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n", // TLS
		"EHLO mail.example.org\r\n\r\n",
	} {
		conn := dial(t, lb.l7)
		if _, err := io.WriteString(conn, garbage); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn) // to the end of the connection
		if status, _, _ := strings.Cut(string(got), "\r\n"); status != "HTTP/1.1 400 Bad Request" {
			t.Errorf("%q: got %q, %v, want 400", garbage, got, err)
		}
	}
	if got := servedBy(t, lb.l7); got != "1" {
		t.Errorf("then an answer from %q, want 1", got)
	}
}

// TestSilentClient pins that a client which sends no whole head is dropped when
// its time is over.
func TestSilentClient(t *testing.T) {
	t.Parallel()
	lb := serve(t, backendsOf(startBackends(t, 1)), "LB_L7_HEADER_TIMEOUT=1s", "LB_L7_IDLE_TIMEOUT=1h")
	var wg sync.WaitGroup
	for _, sent := range []string{"", "G", "GET / HTTP/1.1\r\nHost: x\r\n"} {
		wg.Go(func() {
			began := time.Now()
			conn := dial(t, lb.l7)
			_, _ = io.WriteString(conn, sent)
			got, err := io.ReadAll(conn)
			if strings.Contains(string(got), " 200 ") {
				t.Errorf("%q: got %q, %v", sent, got, err)
			}
			if took := time.Since(began); took < 900*time.Millisecond || took > time.Second+margin {
				t.Errorf("%q: dropped after %s with %q, %v, want 1s", sent, took, got, err)
			}
		})
	}
	wg.Wait()
}
