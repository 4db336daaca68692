package admin

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// Pins that idle connections do not pile up, and that however many there are a new
// one is served.
func TestFew(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ConnState = Few()
	srv.Start()
	t.Cleanup(srv.Close)
	var conns []net.Conn
	for i := range 2 * maxConns {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(testkit.Patience))
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		_ = resp.Body.Close()
		conns = append(conns, conn)
	}
	// Each look reads from all: those that were closed end at once, the others are silent.
	testkit.Eventually(t, fmt.Sprintf("%d connections at most are open", maxConns), func() bool {
		open := 0
		for _, conn := range conns {
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
				open++
			}
		}
		if open == 0 {
			t.Fatal("all connections were closed")
		}
		return open <= maxConns
	})
}
