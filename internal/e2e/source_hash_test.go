//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestSourceHashAgreesAcrossInstances pins that two instances that know nothing of each other choose
// the same backend for each of 1,000 clients, also with their lists in another
// order, and another backend for those of one that is gone.
func TestSourceHashAgreesAcrossInstances(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 4)
	reversed := []*backend{b[3], b[2], b[1], b[0]}
	settings := []string{"LB_BALANCE=source_hash", "LB_PROXY_PROTOCOL_FROM=127.0.0.1", "LB_L7_LISTEN=off"}
	one := serve(t, append(settings, backendsOf(b))...)
	two := serve(t, append(settings, backendsOf(reversed))...)
	first := choices(t, one)
	if got := choices(t, two); got != first {
		t.Errorf("the two instances differ:\n%s\n%s", first, got)
	}
	b[3].stop()
	for _, lb := range []*balancer{one, two} {
		got := choices(t, lb) // noticed or not
		moved := 0
		for i := range got {
			if got[i] == first[i] {
				continue
			}
			if moved++; first[i] != '4' {
				t.Fatalf("client %d moved from backend %c, which stayed, to %c", i, first[i], got[i])
			}
		}
		if want := strings.Count(first, "4"); moved != want {
			t.Errorf("%d clients moved, want the %d of the backend that is gone", moved, want)
		}
	}
}

// choices returns the number of the backend for each of 1,000 clients.
func choices(t *testing.T, lb *balancer) string {
	t.Helper()
	numbers := make([]byte, 1000)
	var wg sync.WaitGroup
	for part := range 10 {
		wg.Go(func() {
			for i := part; i < len(numbers); i += 10 {
				numbers[i] = choice(t, lb.l4, i)
			}
		})
	}
	wg.Wait()
	return string(numbers)
}

// choice asks as the i-th client, which a PROXY header names.
func choice(t *testing.T, addr string, i int) byte {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return '?'
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(testkit.Patience))
	_, _ = fmt.Fprintf(conn, "PROXY TCP4 10.1.%d.%d 10.0.0.1 4000 80\r\nGET / HTTP/1.0\r\n\r\n", i/250, 1+i%250)
	got, err := io.ReadAll(conn)
	_, number, ok := strings.Cut(string(got), "\r\n\r\nbackend ")
	if !ok {
		t.Errorf("client %d: got %q, %v", i, got, err)
		return '?'
	}
	return number[0]
}
