//go:build linux

package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"
)

// TestOnDown pins what becomes of the live connections of a backend that still
// talks to them but fails its probes.
func TestOnDown(t *testing.T) {
	for _, tt := range []struct {
		name, setting string
		cut           bool
	}{
		{"by default", "LB_HEALTH_ON_DOWN=keep", false},
		{"close", "LB_HEALTH_ON_DOWN=close", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var sick atomic.Bool
			b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/health" && sick.Load() {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			}))
			t.Cleanup(b.Close)
			lb := serve(t, "LB_BACKENDS="+b.URL, "LB_LOG_LEVEL=debug", tt.setting)
			conn := dial(t, lb.l4)
			request(t, conn, "/")
			response(t, conn)
			sick.Store(true)
			lb.awaitHealthy(interval + fastInterval + margin)
			if tt.cut {
				wantBackendDown(t, lb, conn)
				return
			}
			request(t, conn, "/")
			response(t, conn)
		})
	}
}

func wantBackendDown(t *testing.T, lb *balancer, conn net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
	lb.awaitSaid(1, "reason=backend_down", patience)
}
