package admin

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fourseven/health"
)

// Pins how a standby and the active backend are shown, and that without LB_BALANCE=single
// nothing is said about an active one.
func TestRoles(t *testing.T) {
	for _, balance := range []health.Policy{health.RoundRobin, health.Single} {
		src := source(t)
		pool := health.NewPool(health.NewBackend("a:1"), health.NewBackend("b:1"), health.Spec{Addr: "c:1", Check: "8008"}.Backend())
		pool.Balance = balance
		src.Services[0].Pool = pool
		probe := func(_ context.Context, b *health.Backend) error {
			if b.Addr == "a:1" {
				return fmt.Errorf("status 503: %w", health.ErrStandby)
			}
			return nil
		}
		(&health.Checker{Pool: pool, Probe: probe, Timeout: time.Minute}).CheckAll(t.Context())
		all := decode[[]backend](t, ask(Handler(src), "GET", "/api/backends", ""))
		if a := all[0]; a.State != "standby" || a.Probe.Passed || a.Probe.Error != "status 503: standby" || a.Checks["standby"] != 1 || a.Takes {
			t.Errorf("%+v %+v", a, a.Probe)
		}
		single := balance == health.Single
		if all[1].Takes != single || all[2].Takes || all[2].Check != "8008" || all[1].Check != "" {
			t.Errorf("%s: %+v", balance, all[1:])
		}
		src.Registry = prometheus.NewRegistry()
		got := series(t, src)
		for want, there := range map[string]bool{
			`lb_backend_standby{backend="a:1"} 1`: true, `lb_backend_standby{backend="b:1"} 0`: true, `lb_backend_up{backend="a:1"} 0`: true,
			`lb_backend_active{backend="a:1"} 0`: single, `lb_backend_active{backend="b:1"} 1`: single, `lb_backend_active{backend="c:1"} 0`: single,
		} {
			if slices.Contains(got, want) != there {
				t.Errorf("%s: %s is there: %t", balance, want, !there)
			}
		}
	}
}
