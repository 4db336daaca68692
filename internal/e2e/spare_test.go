//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// Pins that a failed dial of the one backend that is to serve leads to no other: one
// refused dial of a primary had sent a client to its standby, while the primary was up.
func TestFailedDialGoesNowhereElse(t *testing.T) {
	for _, tt := range []struct{ name, option, setting string }{
		{"backup", ";backup", "LB_BALANCE=round_robin"},
		{"single", "", "LB_BALANCE=single"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := startBackends(t, 2)
			// So that the probes of a refused dial never take it down.
			lb := serve(t, "LB_BACKENDS="+b[0].addr+","+b[1].addr+tt.option, tt.setting, "LB_HEALTH_FALL=1000")
			if got := servedBy(t, repeat(3, lb.l4, lb.l7)...); got != "111111" {
				t.Errorf("responses from %s", got)
			}
			b[0].kill()
			for range 5 {
				wantResetAtOnce(t, lb.l4)
				wantUnavailable(t, lb.l7, fmt.Sprintf(`{"error":"Backend server http://%s is not healthy"}`, b[0].addr))
			}
			metrics := mustAsk(t, lb.admin, "/metrics")
			if want := fmt.Sprintf("lb_backend_connections_total{backend=%q} 0\n", b[1].addr); !strings.Contains(metrics, want) {
				t.Errorf("no %s in the metrics", want)
			}
			b[0].start(t)
			if got := servedBy(t, repeat(3, lb.l4, lb.l7)...); got != "111111" {
				t.Errorf("then responses from %s", got)
			}
		})
	}
}
