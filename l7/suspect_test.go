package l7_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"fourseven/health"
)

// TestSuspect pins that a backend which breaks before the first byte of its answer
// is probed at once, that one which breaks later is not, and that neither is taken
// out by one request.
func TestSuspect(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answer   string // before the backend breaks
		suspects bool
	}{
		{"before the first byte", "", true},
		{"in the head", "HTTP/1.1 200 OK\r\n", false},
		{"in the body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", false},
		{"not at all", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
				if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
					_, _ = io.WriteString(nc, tt.answer)
				}
			}))
			probed := watchProbes(t, p.Pool)
			nc := p.dial(t)
			_, _ = io.WriteString(nc, get)
			_, _ = bufio.NewReader(nc).ReadString('\n')
			within := 50 * time.Millisecond
			if tt.suspects {
				within = patience
			}
			select {
			case <-probed:
				if !tt.suspects {
					t.Error("suspected")
				}
			case <-time.After(within):
				if tt.suspects {
					t.Error("not probed")
				}
			}
			if !p.Pool.Ready() {
				t.Error("taken out because of one request")
			}
		})
	}
}

// watchProbes runs a checker that would not probe within the hour by itself.
func watchProbes(t *testing.T, pool *health.Pool) <-chan struct{} {
	t.Helper()
	probedc := make(chan struct{}, 100)
	probe := func(context.Context, *health.Backend) error { probedc <- struct{}{}; return nil }
	c := &health.Checker{Pool: pool, Probe: probe, Interval: 1000 * time.Hour, FastInterval: time.Hour, Timeout: patience}
	ctx, cancel := context.WithCancel(t.Context())
	donec := make(chan struct{})
	go func() { _ = c.Run(ctx); close(donec) }()
	t.Cleanup(func() { cancel(); <-donec })
	return probedc
}
