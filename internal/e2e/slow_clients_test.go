//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	slowHeads  = 2000
	slowBodies = 1000
	slowBytes  = 48 // bytes of a body, one a tick
	slowTick   = 100 * time.Millisecond
)

// TestThousandsOfSlowClients pins that clients which send their heads and bodies byte by
// byte take little memory and do not disturb other clients: slow heads are refused once their time is
// over, and slow bodies arrive whole, as every other request does.
func TestThousandsOfSlowClients(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer backend.Close()
	lb := serve(t, "LB_BACKENDS="+backend.Listener.Addr().String(), "LB_HEALTH_CHECK=off",
		"LB_L7_HEADER_TIMEOUT=4s", "LB_L7_BACKEND_TIMEOUT=1m")
	before := lb.resident()
	heads, bodies := slowClients(t, lb.l7, slowHeads), slowClients(t, lb.l7, slowBodies)
	for _, conn := range bodies {
		_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", slowBytes)
	}
	var clients sync.WaitGroup
	clients.Go(func() { drip(heads, "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "+strings.Repeat("x", 50)) })
	clients.Go(func() { drip(bodies, strings.Repeat("b", slowBytes)) })
	most := 0
	for range 200 {
		resp, err := http.Post("http://"+lb.l7, "", strings.NewReader("quick"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "quick" || resp.StatusCode != http.StatusOK {
			t.Errorf("status %d, %q, %v for a client between the slow ones", resp.StatusCode, got, err)
		}
		_ = resp.Body.Close()
		most = max(most, lb.resident()-before)
	}
	for i, conn := range bodies {
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("body %d: %v", i, err)
		}
		if got, err := io.ReadAll(resp.Body); err != nil || len(got) != slowBytes {
			t.Fatalf("body %d: %d bytes back, %v", i, len(got), err)
		}
	}
	most = max(most, lb.resident()-before)
	for i, conn := range heads {
		if got, _ := io.ReadAll(conn); !strings.HasPrefix(string(got), "HTTP/1.1 408 ") {
			t.Fatalf("head %d: %q, want status 408", i, got)
		}
	}
	clients.Wait()
	each := most / (slowHeads + slowBodies)
	t.Logf("%d bytes of memory for each slow client", each)
	if each > 32<<10 && !raceEnabled { // what LB_MAX_CONNS counts with
		t.Errorf("%d bytes of memory for each slow client", each)
	}
}

func slowClients(t *testing.T, addr string, n int) []*net.TCPConn {
	t.Helper()
	conns := make([]*net.TCPConn, n)
	for i := range conns {
		conns[i] = dial(t, addr)
	}
	return conns
}

// drip sends a byte on each connection at each tick, until all is sent.
func drip(conns []*net.TCPConn, text string) {
	tick := time.NewTicker(slowTick)
	defer tick.Stop()
	for i := range text {
		for _, conn := range conns {
			_, _ = conn.Write([]byte{text[i]}) // it may have been refused
		}
		<-tick.C
	}
}
