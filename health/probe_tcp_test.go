package health

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"fourseven/internal/testkit"
)

// Pins that a port proxy with nothing behind it, which accepts and closes at once, is
// not an up backend: it had been.
func TestTCPProbeOfClosingBackend(t *testing.T) {
	tests := []struct {
		name  string
		serve func(net.Conn)
	}{
		{"end of stream", func(net.Conn) {}},
		{"reset", func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := serveTCP(t, tt.serve)
			testkit.Eventually(t, "a probe that notices", func() bool { // on a busy machine it may close late
				return errors.Is(TCPProbe(Via{})(t.Context(), b), errClosedAtOnce)
			})
		})
	}
}

// Pins that backends pass that wait for the client, and those that speak first, also
// if they close then.
func TestTCPProbeOfWorkingBackend(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"waits":  func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"banner": says("220 ready\r\n"),
		"closes": func(c net.Conn) {
			_, _ = io.WriteString(c, "too many connections\n")
		},
	} {
		if err := TCPProbe(Via{})(t.Context(), serveTCP(t, serve)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Pins how long a probe waits for the end of the connection, that the context bounds
// it, and that the wait is not part of the latency.
func TestStaysOpen(t *testing.T) {
	tests := []struct {
		name                  string
		closes, within, bound time.Duration
		err                   error
		took, latency         time.Duration
	}{
		{"closed in time", 20 * time.Millisecond, 25 * time.Millisecond, time.Second, errClosedAtOnce, 20 * time.Millisecond, 20 * time.Millisecond},
		{"closed later", time.Second, 25 * time.Millisecond, time.Second, nil, 25 * time.Millisecond, 0},
		{"bounded", time.Second, 25 * time.Millisecond, time.Millisecond, nil, time.Millisecond, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				time.AfterFunc(tt.closes, func() { _ = theirs.Close() })
				c := &Checker{Timeout: tt.bound, Probe: func(ctx context.Context, _ *Backend) error {
					return staysOpen(ctx, ours, tt.within)
				}}
				began := time.Now()
				r := c.probe(t.Context(), NewBackend("a:1"))
				if !errors.Is(r.err, tt.err) || time.Since(began) != tt.took || r.latency != tt.latency {
					t.Errorf("%v after %s, latency %s; want %v after %s, latency %s", r.err, time.Since(began), r.latency, tt.err, tt.took, tt.latency)
				}
				time.Sleep(tt.closes) // the bubble ends with its timers
			})
		})
	}
}

// Pins that a backend which closed its last connection at once gets more time to do so
// again, so that one that is slow at it does not come up in between.
func TestSettleTime(t *testing.T) {
	b := NewBackend("a:1")
	const connecting = 3 * time.Millisecond
	if got := settleFor(b, connecting); got != connecting+settleTime {
		t.Errorf("%s at first, want %s", got, connecting+settleTime)
	}
	if got := settleFor(b, time.Hour); got != closedSettleTime+settleTime {
		t.Errorf("%s after an hour of connecting, want %s", got, closedSettleTime+settleTime)
	}
	b.probed(result{backend: b, err: errClosedAtOnce}, 1, 1)
	if got := settleFor(b, connecting); got != connecting+closedSettleTime {
		t.Errorf("%s after a closed connection, want %s", got, connecting+closedSettleTime)
	}
}
