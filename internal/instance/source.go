package instance

import (
	"context"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"fourseven/health"
	"fourseven/internal/admin"
	"fourseven/internal/config"
)

// source is what the admin pages show and change. Connections are closed for them until
// the context is done.
func (in *Instance) source(ctx context.Context, on Addrs) admin.Source {
	src := admin.Source{
		Pool: in.pool, Counters: in.counters, Registry: prometheus.NewRegistry(),
		Draining: in.draining.Load,
		Close:    func(b *health.Backend, rate int) int { return in.closeBackend(ctx, b, rate) },
		Lookups:  in.finder.Lookups,
		Dropped:  in.dropped,
		Reloads:  in.reloads.snapshot, Logger: in.logger,
		Version: in.version, Hostname: hostname(), Started: in.began, Limit: in.limits.conns,
		Token: string(in.cfg.AdminToken), Settings: in.settings,
	}
	if on.L4 != nil {
		src.Frontends = append(src.Frontends, admin.Frontend{Name: "l4", Addr: on.L4.String(), Stats: in.l4.Stats})
	}
	if on.L7 != nil {
		src.Frontends = append(src.Frontends, admin.Frontend{Name: "l7", Addr: on.L7.String(), Stats: in.l7.Stats})
		src.InFlight = in.l7.Active
	}
	return src
}

// hostname returns this machine's name, or nothing where it has none.
func hostname() string {
	name, _ := os.Hostname()
	return name
}

// settings returns the effective settings: the list of backends may have been taken
// again since the start.
func (in *Instance) settings() []config.Setting {
	now := *in.cfg
	now.Backends = in.finder.Entries()
	return now.Effective()
}

// closeBackend resets the connections to a backend that are relayed, rate of them
// a second, and returns how many there are.
func (in *Instance) closeBackend(ctx context.Context, b *health.Backend, rate int) int {
	n, tunnels := in.l4.Relays.Open(b), in.l7.Relays.Open(b)
	in.wg.Go(func() { // one after the other: the rate is for both
		in.l4.Relays.Close(ctx, b, rate)
		in.l7.Relays.Close(ctx, b, rate)
	})
	return n + tunnels
}
