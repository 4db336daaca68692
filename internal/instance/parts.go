package instance

import (
	"fourseven/health"
	"fourseven/internal/admin"
	"fourseven/internal/config"
	"fourseven/internal/logging"
	"fourseven/l4"
	"fourseven/l7"
)

func (s *service) newL4(in *Instance) *l4.Server {
	cfg := s.cfg
	return &l4.Server{
		Pool: s.pool, Retries: cfg.Retries, Logger: s.logger,
		Dialer:    &l4.Dialer{Timeout: cfg.ConnectTimeout, Dialled: s.counters.Dialled, Own: &in.own, TLS: s.backendTLS},
		SendProxy: proxyVersion(cfg.ProxyProtocolSend),
		Postgres:  s.backendTLS.Postgres,
		Relays:    l4.Relays{Limits: relayLimits(cfg)},
		Gate:      s.gate,
		Slots:     s.slots,
		Ended:     connEnded(s.counters, s.access),
	}
}

// relayLimits returns the time limits of relayed connections, for both frontends.
func relayLimits(cfg *config.Service) l4.Limits {
	return l4.Limits{IdleTimeout: cfg.L4IdleTimeout, HalfCloseTimeout: cfg.L4HalfCloseTimeout, MaxAge: cfg.L4MaxAge}
}

func (s *service) newL7(in *Instance) *l7.Server {
	cfg := s.cfg
	keepalive := cfg.L7BackendKeepalive
	if keepalive == 0 {
		keepalive = -1 // off: none is kept
	}
	return &l7.Server{
		Pool: s.pool, Retries: cfg.Retries, Logger: s.logger,
		Dialer:        &l4.Dialer{Timeout: cfg.ConnectTimeout, Dialled: s.counters.Dialled, Own: &in.own, TLS: s.backendTLS},
		Ended:         s.counters.L7Ended,
		HeaderTimeout: cfg.L7HeaderTimeout, IdleTimeout: cfg.L7IdleTimeout, BackendTimeout: cfg.L7BackendTimeout,
		MinRate:          int64(cfg.L7MinRate),
		LastRequest:      lastRequest(in.cfg),
		BackendKeepalive: keepalive, MaxIdleBackendConns: in.limits.idlePerService(in.cfg),
		MaxHeader: int(cfg.L7MaxHeader), MaxBody: int64(cfg.L7MaxBody),
		TrustedProxies: l4.Peers(cfg.L7TrustedProxies),
		Gate:           s.gate,
		Slots:          s.slots,
		Relays:         &l4.Relays{Limits: relayLimits(cfg)},
		Served:         requestServed(s.counters, s.access),
	}
}

// connEnded returns the function that is called for each L4 connection when it has ended:
// it counts it, and logs it unless the access log is nil.
func connEnded(counters *admin.Counters, access *logging.AccessLog) func(l4.Record) {
	if access == nil {
		return counters.L4Ended
	}
	return func(r l4.Record) {
		counters.L4Ended(r)
		access.Connection(r)
	}
}

// requestServed is connEnded for an L7 request when it has been served.
func requestServed(counters *admin.Counters, access *logging.AccessLog) func(*l7.Record) {
	if access == nil {
		return counters.Served
	}
	return func(r *l7.Record) {
		counters.Served(r)
		access.Request(r)
	}
}

// transitions returns the function for the pool's transitions: they are logged and kept,
// and open connections of a backend that went down are closed, if that is configured.
func (s *service) transitions(events *admin.Events) func(health.Transition) {
	reporter := &health.Reporter{Pool: s.pool, Logger: s.logger}
	closes := s.cfg.HealthOnDown == "close"
	return func(t health.Transition) {
		reporter.Report(t)
		events.Transition(s.cfg.Name, t)
		if closes && t.WentDown {
			s.cutBackend(t.Backend)
		}
	}
}

// cutBackend ends the open connections and requests of a backend that went down.
func (s *service) cutBackend(b *health.Backend) {
	onL4, onL7 := s.l4.Relays.CutBackend(b), s.l7.CutBackend(b)
	if onL4+onL7 > 0 {
		s.logger.Info("cut", "reason", l4.BackendDown, "backend", b.Addr, "l4", onL4, "l7", onL7)
	}
}

// probe returns what asks a backend whether it works, or nil for off.
func (s *service) probe() health.Probe {
	c := s.cfg
	via := health.Via{
		Port: c.HealthPort, TLS: s.probeTLS,
		Proxy: proxyVersion(c.ProbeProxy()), ProxyTraffic: c.HealthProxy == "auto",
	}
	switch kind := c.ProbeKind(); {
	case kind == "auto":
		return (&health.Lenient{Path: string(c.HealthPath), Via: via, Logger: s.logger}).Probe
	case kind == "http":
		return health.HTTP{
			Method: string(c.HealthMethod), Path: string(c.HealthPath), Host: string(c.HealthHost), Fields: string(c.HealthHeaders),
			Hidden:  c.Hidden("LB_HEALTH_HEADERS"),
			Accepts: c.HealthStatus.Contains, Standby: c.HealthStandbyStatus.Contains, Match: c.HealthMatch.Regexp(), Via: via,
		}.Probe
	case kind == "tcp" && (c.HealthSend != "" || c.HealthExpect != "" || c.HealthMatch.Regexp() != nil):
		return health.Exchange{
			Send: []byte(c.HealthSend), SendHidden: c.Hidden("LB_HEALTH_SEND"),
			Expect: []byte(c.HealthExpect), Hidden: c.Hidden("LB_HEALTH_EXPECT"),
			Match: c.HealthMatch.Regexp(), Via: via,
		}.Probe
	case kind == "tcp":
		return health.TCPProbe(via)
	}
	return nil
}

// proxyVersion returns the version of the PROXY header that the word means, 0 for none.
func proxyVersion(word string) byte {
	switch word {
	case "v1":
		return 1
	case "v2":
		return 2
	}
	return 0
}
