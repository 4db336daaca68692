//go:build linux

package e2e

import (
	"net/http/httptest"
	"syscall"
	"testing"
	"time"
)

// TestDrainCutsTunnels pins that the end of a drain ends upgraded connections, those
// too that have been silent for so long that nobody but the kernel waits for them.
func TestDrainCutsTunnels(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(&sickBackend{})
	t.Cleanup(srv.Close)
	for _, tt := range []struct {
		name, timeout string
		signals       int
	}{
		{"at the time limit", "2500ms", 1},
		{"at the second signal", "1h", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lb := serve(t, "LB_BACKENDS="+srv.URL, "LB_ACCESS_LOG=on", "LB_DRAIN_TIMEOUT="+tt.timeout)
			upgraded := dial(t, lb.l7)
			switchProtocols(t, upgraded)
			time.Sleep(2 * time.Second) // what parks a relay is silence: nothing tells that it has
			for range tt.signals {
				lb.signal(syscall.SIGTERM)
				lb.awaitSaid(1, "msg=draining", patience)
			}
			wantReset(t, upgraded)
			lb.wantExit(exitOK)
			wantTexts(t, "standard output", lb.stdout.String(), []string{"reason=drain"})
		})
	}
}
