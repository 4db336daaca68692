package admin

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"fourseven/health"
)

// Pins the third state between ready and not: what is down, standby or drained is counted,
// and only what is down degrades.
func TestAvailability(t *testing.T) {
	src := source(t)
	s := src.Services[0]
	s.Pool = health.NewPool(health.NewBackend("a:1"), health.NewBackend("b:1"), health.NewBackend("c:1"))
	fails := map[string]error{}
	check := func() {
		probe := func(_ context.Context, b *health.Backend) error { return fails[b.Addr] }
		(&health.Checker{Pool: s.Pool, Probe: probe, Timeout: time.Minute, Rise: 1, Fall: 1}).CheckAll(t.Context())
	}
	want := func(what string, want availability) {
		t.Helper()
		if got := s.availability(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	want("before any probe", availability{State: stateNotReady, Backends: 3})
	check()
	want("all up", availability{State: stateReady, Backends: 3, Available: 3})
	fails = map[string]error{"a:1": errors.New("refused"), "b:1": fmt.Errorf("status 503: %w", health.ErrStandby)}
	check()
	want("one down, one standby", availability{State: stateDegraded, Backends: 3, Available: 1, Down: 1, Standby: 1})
	s.Pool.SetMode(s.Pool.Find("c:1"), health.ModeDrain)
	want("and one drained", availability{State: stateNotReady, Backends: 3, Down: 1, Standby: 1, Draining: 1})
	fails = nil
	check()
	want("one drained", availability{State: stateReady, Backends: 3, Available: 2, Draining: 1})
	s.Pool.SetMode(s.Pool.Find("c:1"), health.ModeDown)
	want("one set down", availability{State: stateDegraded, Backends: 3, Available: 2, Down: 1})
}

// Pins the availability of several services together, and that the status has that of each.
func TestAvailabilityOfServices(t *testing.T) {
	src := twoServices(t)
	h := Handler(src)
	got := decode[status](t, ask(h, "GET", "/api/status", ""))
	if want := (availability{State: stateDegraded, Backends: 5, Available: 2, Down: 2}); !reflect.DeepEqual(got.Health, want) {
		t.Errorf("%+v, want %+v", got.Health, want)
	}
	ro := src.Services[1].Pool
	ro.SetMode(ro.Find("a:1"), health.ModeDrain)
	got = decode[status](t, ask(h, "GET", "/api/status", ""))
	if want := (availability{State: stateNotReady, Backends: 5, Available: 1, Down: 2, Draining: 1, Without: []string{"ro"}}); !reflect.DeepEqual(got.Health, want) {
		t.Errorf("%+v, want %+v", got.Health, want)
	}
	if rw, ro := got.Services[0].Health.State, got.Services[1].Health.State; rw != stateDegraded || ro != stateNotReady || !got.Ready {
		t.Errorf("rw %s, ro %s, ready %t", rw, ro, got.Ready)
	}
}
