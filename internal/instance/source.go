package instance

import (
	"context"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"fourseven/health"
	"fourseven/internal/admin"
	"fourseven/internal/config"
	"fourseven/l4"
)

// source has the data that the admin pages show, and the functions that they change it
// with. They can close connections until the context is done.
func (in *Instance) source(ctx context.Context) admin.Source {
	src := admin.Source{
		Registry: prometheus.NewRegistry(),
		Draining: in.draining.Load,
		Dropped:  in.dropped,
		Stalls:   in.loops.Stalls,
		Reloads:  in.reloads.snapshot, Logger: in.logger, Events: &in.events,
		Version: in.version, Hostname: hostname(), Started: in.began, Limit: in.limits.conns,
		Token: string(in.cfg.AdminToken), Settings: in.settings,
	}
	for _, s := range in.services {
		src.Services = append(src.Services, in.describe(ctx, s))
	}
	src.History = admin.NewHistory(src.Services)
	return src
}

func (in *Instance) describe(ctx context.Context, s *service) *admin.Service {
	d := &admin.Service{
		Name: s.cfg.Name, Pool: s.pool, Counters: s.counters, Limit: s.cfg.MaxConns,
		Close:   func(b *health.Backend, rate int) int { return in.closeBackend(ctx, s, b, rate) },
		Lookups: s.finder.Lookups,
	}
	if s.listenerTLS != nil {
		d.Certificates = s.certificates
	}
	for _, f := range s.fronts {
		if f.ln == nil {
			continue
		}
		own := s.server(f.Frontend)
		d.Frontends = append(d.Frontends, admin.Frontend{Name: f.Frontend, Addr: f.ln.Addr().String(), TLS: s.tlsOf(f.Frontend) != nil,
			Stats: func() l4.Stats { return f.stats(s, server.Stats) }, Recent: func() l4.Stats { return f.stats(s, server.RecentStats) },
			List: own.List, CloseConn: own.CloseConn})
		if f.Frontend == "l7" {
			d.InFlight = func() int { return f.active(s) }
		}
	}
	return d
}

// hostname returns this machine's name, or nothing where it has none.
func hostname() string {
	name, _ := os.Hostname()
	return name
}

// settings returns the effective settings: the lists of backends may have been taken
// again since the start.
func (in *Instance) settings() []config.Setting {
	now := *in.cfg
	now.Services = nil
	for _, s := range in.services {
		of := *s.cfg
		of.Backends = s.finder.Entries()
		now.Services = append(now.Services, &of)
	}
	return now.Effective()
}

// closeBackend resets the connections to a backend that are relayed, rate of them
// a second, and returns how many there are.
func (in *Instance) closeBackend(ctx context.Context, s *service, b *health.Backend, rate int) int {
	n, tunnels := s.l4.Relays.Open(b), s.l7.Relays.Open(b)
	in.wg.Go(func() { // one after the other: the rate is for both
		s.l4.Relays.Close(ctx, b, rate)
		s.l7.Relays.Close(ctx, b, rate)
	})
	return n + tunnels
}
