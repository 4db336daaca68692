package instance

import (
	"cmp"
	"fmt"
	"net"

	"fourseven/internal/admin"
	"fourseven/internal/tlsconf"
	"fourseven/l4"
)

// loadCertificates has the services show the certificates that their settings name, which
// were valid when the settings were read.
func (in *Instance) loadCertificates() error {
	for _, s := range in.services {
		if s.listenerTLS == nil {
			continue
		}
		if err := s.listenerTLS.Set(s.cfg.TLSSources()); err != nil {
			return fmt.Errorf("load certificates: %w", err)
		}
	}
	return nil
}

// endTLS returns what ends the TLS of a frontend's clients, who may ask for these
// protocols.
func (s *service) endTLS(frontend string, protocols ...string) *l4.TLSServer {
	return &l4.TLSServer{
		Config: s.listenerTLS.Config(protocols...), Frontend: frontend,
		Logger: s.logger, Shaken: s.counters.Shaken(frontend),
	}
}

// setTLS makes the frontends end TLS, where the settings require it.
func (s *service) setTLS() {
	if !s.cfg.EndsTLS() {
		return
	}
	s.listenerTLS = &tlsconf.Server{Minimum: s.cfg.TLSMinimum()}
	switch s.cfg.L4TLS {
	case "on":
		s.l4.TLS = s.endTLS("l4", s.cfg.L4TLSALPN...)
	case "postgres":
		s.l4.TLS = s.endTLS("l4", "postgresql")
		s.l4.TLS.Postgres = true
	}
	if s.cfg.L7TLS {
		s.l7.TLS = s.endTLS("l7", "http/1.1", "http/1.0")
	}
}

// tlsOf returns what ends the TLS of a frontend's clients, or nil.
func (s *service) tlsOf(frontend string) *l4.TLSServer {
	if frontend == "l4" {
		return s.l4.TLS
	}
	return s.l7.TLS
}

// certificates returns the certificates that clients are shown.
func (s *service) certificates() (all []admin.Certificate) {
	for _, e := range s.listenerTLS.Expiries() {
		source := cmp.Or(e.Source, s.cfg.Variable("LB_TLS_CERT"))
		all = append(all, admin.Certificate{Source: source, Names: e.Names, NotAfter: e.At})
	}
	return all
}

// redirect serves on the listener whose requests are redirected to that of L7.
func (s *service) redirect(ln net.Listener) error {
	port := 443 // of a Unix socket: whatever is in front of it has the port
	if addr, ok := s.addr("l7").(*net.TCPAddr); ok {
		port = addr.Port
	}
	return s.l7.ServeRedirect(ln, port)
}
