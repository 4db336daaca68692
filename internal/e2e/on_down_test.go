//go:build linux

package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"fourseven/internal/testkit"
)

// TestOnDown pins what becomes of the live connections and requests of a backend
// that still talks to them but fails its probes.
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
			b := &sickBackend{slowc: make(chan struct{})}
			srv := httptest.NewServer(b)
			t.Cleanup(srv.Close)
			answer := sync.OnceFunc(func() { close(b.slowc) })
			t.Cleanup(answer)
			lb := serve(t, "LB_BACKENDS="+srv.URL, "LB_LOG_LEVEL=debug", tt.setting)
			l4, upgraded, asking := dial(t, lb.l4), dial(t, lb.l7), dial(t, lb.l7)
			request(t, l4, "/")
			response(t, l4)
			switchProtocols(t, upgraded)
			request(t, asking, "/slow")
			testkit.Eventually(t, "the backend to be asked", b.asked.Load)
			b.sick.Store(true)
			lb.awaitHealthy(interval + fastInterval + margin)
			if tt.cut {
				wantReset(t, l4)
				wantReset(t, upgraded)
				wantStatus(t, asking, http.StatusBadGateway)
				lb.awaitOutput(1, "msg=cut reason=backend_down backend="+srv.Listener.Addr().String()+" l4=1 l7=2\n")
				return
			}
			answer()
			response(t, asking)
			request(t, l4, "/")
			response(t, l4)
			wantEcho(t, upgraded)
		})
	}
}

// sickBackend answers /slow when slowc is closed, and switches to an echo where it
// is asked to.
type sickBackend struct {
	sick, asked atomic.Bool
	slowc       chan struct{}
}

func (b *sickBackend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/health" && b.sick.Load():
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path == "/slow":
		b.asked.Store(true)
		<-b.slowc
	case r.Header.Get("Upgrade") != "":
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		_, _ = io.Copy(conn, conn)
	}
}
