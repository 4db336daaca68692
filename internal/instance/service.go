package instance

import (
	"context"
	"log/slog"
	"net"

	"fourseven/health"
	"fourseven/internal/admin"
	"fourseven/internal/config"
	"fourseven/internal/logging"
	"fourseven/internal/tlsconf"
	"fourseven/l4"
	"fourseven/l7"
)

// service is one pool of backends, the listeners in front of it, and what serves them.
// Services share nothing but the process's slots and its log.
type service struct {
	cfg    *config.Service
	logger *slog.Logger // its lines have the service's name, if it has one

	pool     *health.Pool
	checker  *health.Checker
	finder   *health.Discoverer
	l4       *l4.Server
	l7       *l7.Server
	gate     *l4.Gate  // which clients are allowed, on either frontend
	slots    *l4.Slots // how many of them, within the process's slots
	counters *admin.Counters
	access   *logging.AccessLog // nil for none
	fronts   []*front           // its listeners
	// backendTLS is how TLS is spoken to backends.
	backendTLS *l4.BackendTLS
	// listenerTLS has the certificates that clients are shown; nil without.
	listenerTLS *tlsconf.Server
	// redirectListener redirects to L7; nil where it is off or not open yet.
	redirectListener net.Listener
}

// newService returns a service of the instance with these settings.
func (in *Instance) newService(cfg *config.Service) *service {
	pool := health.NewPool(cfg.Backends.Fixed()...)
	pool.Balance, pool.SlowStart = cfg.Balance, cfg.SlowStart
	s := &service{
		cfg: cfg, logger: in.logger, pool: pool, access: in.access,
		gate:     newGate(cfg),
		slots:    in.slots.Share(cfg.MaxConns),
		counters: admin.NewCounters(),
	}
	if cfg.Name != "" {
		s.logger = in.logger.With("service", cfg.Name)
		s.access = in.access.Of(cfg.Name)
	}
	s.backendTLS = s.newBackendTLS()
	s.checker = &health.Checker{
		Pool: pool, Probe: s.probe(),
		Interval: cfg.HealthInterval, FastInterval: cfg.HealthFastInterval, Timeout: cfg.HealthTimeout,
		Rise: cfg.HealthRise, Fall: cfg.HealthFall,
		Relieve: func(b *health.Backend) bool { return s.l7.GiveUpIdle(b, cfg.HealthTimeout) },
	}
	s.finder = &health.Discoverer{
		Pool: pool, Server: string(cfg.DNSServer), Interval: cfg.DNSInterval, Own: in.cfg.Own, Logger: s.logger,
	}
	s.l4, s.l7 = s.newL4(in), s.newL7(in)
	s.setTLS()
	if cfg.HealthOnDown == "close" {
		s.l4.Relays.CutOnDown, s.l7.CutOnDown = true, true
	}
	pool.OnTransition = s.transitions(&in.events)
	return s
}

// newGate returns what decides which clients are allowed.
func newGate(cfg *config.Service) *l4.Gate {
	return &l4.Gate{
		Allow: cfg.Allow, Deny: cfg.Deny, MaxConnsPerIP: cfg.MaxConnsPerIP, ProxyFrom: l4.Peers(cfg.ProxyProtocolFrom),
	}
}

// server returns the service's server of a frontend.
func (s *service) server(frontend string) server {
	if frontend == "l4" {
		return s.l4
	}
	return s.l7
}

// addr returns where the service's listener of a frontend listens, or nil.
func (s *service) addr(frontend string) net.Addr {
	for _, f := range s.fronts {
		if f.Frontend == frontend {
			return addrOf(f.ln)
		}
	}
	return nil
}

// firstRound waits for the first lookups of the backends' names and decides the first
// state of each backend.
func (s *service) firstRound(ctx context.Context) {
	s.finder.Replace(ctx, s.cfg.Backends)
	if s.checker.Probe == nil {
		s.pool.MarkAllUp()
		return
	}
	s.checker.CheckAll(ctx)
}
