package instance

import (
	"cmp"
	"crypto/tls"

	"fourseven/health"
	"fourseven/internal/tlsconf"
	"fourseven/l4"
)

// newBackendTLS returns how TLS is spoken to the backends of the service.
func (s *service) newBackendTLS() *l4.BackendTLS {
	cfg := s.cfg
	client := &tlsconf.Client{Unverified: !bool(cfg.BackendTLSVerify)}
	err := client.Set(cfg.BackendTLSSources())
	if err != nil {
		panic(err) // config has checked them
	}
	return &l4.BackendTLS{
		Client: client, On: cfg.BackendTLS != "off", Postgres: cfg.BackendTLS == "postgres",
		Name: string(cfg.BackendTLSName), Logger: s.logger,
	}
}

// probeTLS returns the handshake of a probe, or nil for none.
func (s *service) probeTLS(t health.Target) *health.Handshake {
	secured := s.backendTLS.To(t.Backend)
	switch {
	case s.cfg.HealthTLS == "off", s.cfg.HealthTLS == "auto" && !(secured && t.Traffic):
		return nil
	case secured && t.Traffic:
		return &health.Handshake{Config: s.backendTLS.Config(t.Backend, protocols(t)...), Ask: s.backendTLS.Ask}
	case secured:
		return &health.Handshake{Config: s.backendTLS.Client.Config(t.Backend.Addr+" check", s.checkName(t), protocols(t)...)}
	}
	// Not verified: a probe asks whether the backend works, and its identity is checked by
	// the clients, whose TLS goes through untouched.
	return &health.Handshake{Config: &tls.Config{
		ServerName: cmp.Or(t.Named, t.Host), NextProtos: protocols(t), InsecureSkipVerify: true,
	}}
}

// checkName returns the name that the certificate must have where a backend is probed, at
// another port of it or at another host.
func (s *service) checkName(t health.Target) string {
	if t.Host == t.Backend.Spec().ServerName() {
		return cmp.Or(string(s.cfg.BackendTLSName), t.Host)
	}
	return t.Host
}

// protocols returns what a probed backend is asked for by ALPN.
func protocols(t health.Target) []string {
	if t.HTTP {
		return []string{"http/1.1"}
	}
	return nil
}
