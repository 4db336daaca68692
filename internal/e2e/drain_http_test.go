//go:build linux

package e2e

import (
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"
)

// TestDrainHTTP pins what SIGTERM does to kept-alive connections: one that waits
// for a request is closed, one with a request in flight is told to close.
func TestDrainHTTP(t *testing.T) {
	t.Parallel()
	askedc, answerc := make(chan struct{}), make(chan struct{})
	b := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(askedc)
			<-answerc
		}
	}))
	t.Cleanup(b.Close)
	lb := serve(t, "LB_BACKENDS="+b.URL)
	idle, busy := dial(t, lb.l7), dial(t, lb.l7)
	for _, conn := range []net.Conn{idle, busy} {
		request(t, conn, "/")
		if resp := response(t, conn); resp.Close {
			t.Fatal("closed before the drain")
		}
	}
	request(t, busy, "/slow")
	<-askedc
	lb.signal(syscall.SIGTERM)
	wantEnd(t, idle)
	close(answerc)
	if resp := response(t, busy); !resp.Close {
		t.Error(`the request in flight got no "Connection: close"`)
	}
	wantEnd(t, busy)
	lb.wantExit(exitOK)
}

// TestDrainCutsTunnels pins that the end of a drain ends upgraded connections, those
// too that have been silent for so long that nobody but the kernel waits for them.
func TestDrainCutsTunnels(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(&sickBackend{})
	t.Cleanup(srv.Close)
	for _, tt := range []struct {
		name, timeout string
		signalAgain   bool
	}{
		{"at the time limit", "2500ms", false},
		{"at the second signal", "1h", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lb := serve(t, "LB_BACKENDS="+srv.URL, "LB_ACCESS_LOG=on", "LB_DRAIN_TIMEOUT="+tt.timeout)
			upgraded := dial(t, lb.l7)
			switchProtocols(t, upgraded)
			time.Sleep(2 * time.Second) // what parks a relay is silence: nothing tells that it has
			lb.signal(syscall.SIGTERM)
			if tt.signalAgain {
				lb.awaitOutput(1, "msg=draining")
				lb.signalAgain(syscall.SIGTERM)
			}
			wantReset(t, upgraded)
			lb.wantExit(exitOK)
			wantTexts(t, "standard output", lb.stdout.String(), []string{"reason=drain"})
		})
	}
}
