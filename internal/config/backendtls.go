package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fourseven/health"
	"fourseven/internal/tlsconf"
)

// BackendTLSSources returns the sources of the certificates for connections to backends.
func (s *Service) BackendTLSSources() tlsconf.ClientSources {
	return tlsconf.ClientSources{
		CA:   s.text("LB_BACKEND_TLS_CA", string(s.BackendTLSCA)),
		Cert: s.text("LB_BACKEND_TLS_CERT", string(s.BackendTLSCert)), Key: s.text("LB_BACKEND_TLS_KEY", string(s.BackendTLSKey)),
	}
}

// usesBackendTLS reports whether TLS is spoken to backends, or may be after the list has
// been read again.
func (s *Service) usesBackendTLS() bool {
	_, _, fromFile := s.BackendsFile()
	return s.BackendTLS != "off" || fromFile ||
		slices.ContainsFunc(s.Backends, func(e health.Entry) bool { return e.Spec.TLS == health.TLSOn })
}

// backendTLSConflicts returns the faults of the settings of TLS to backends.
func (s *Service) backendTLSConflicts() (errs []error) {
	errs = s.pairConflicts("LB_BACKEND_TLS_CERT", "LB_BACKEND_TLS_KEY", s.BackendTLSCert, s.BackendTLSKey)
	if s.BackendTLS == "postgres" && !s.L7Listen.Off() {
		errs = append(errs, fmt.Errorf("%s=postgres: %s=%q speaks HTTP to the same backends, expected it to be off",
			s.Variable("LB_BACKEND_TLS"), s.Variable("LB_L7_LISTEN"), s.L7Listen))
	}
	if s.L4TLS == "postgres" && len(s.SNI) > 0 {
		errs = append(errs, fmt.Errorf("%s=%q: with %s=postgres the server name comes too late to choose by, expected no names and a listener of its own",
			s.Variable("LB_SNI"), s.SNI, s.Variable("LB_L4_TLS")))
	}
	return append(errs, s.secureListConflicts(s.Backends)...)
}

// secureListConflicts returns the faults of a list of backends beside the settings of TLS
// to them.
func (s *Service) secureListConflicts(list Backends) (errs []error) {
	mode := s.Variable("LB_BACKEND_TLS") + "=" + s.BackendTLS
	for _, one := range list {
		fault := ""
		network, _ := health.SplitAddr(one.Spec.Addr)
		switch {
		case s.BackendTLS != "off" && one.Spec.TLS == health.TLSOff:
			fault = mode + " is for all backends, expected no http:// or tcp:// in front"
		case s.BackendTLS == "postgres" && one.Spec.TLS == health.TLSOn:
			fault = mode + " is for all backends, expected no https:// or tls:// in front"
		case s.BackendTLS != "off" && network == "unix" && s.BackendTLSName == "" && bool(s.BackendTLSVerify):
			fault = "a Unix socket has no name that its certificate could have, expected " + s.Variable("LB_BACKEND_TLS_NAME") + " to be set"
		}
		if fault != "" {
			errs = append(errs, fmt.Errorf("%s: entry %q: %s", s.Variable("LB_BACKENDS"), one.Spec.Addr, fault))
		}
	}
	return errs
}

// whyBackendTLSUnused returns why a setting of TLS to backends has no effect, or nothing.
func (s *Service) whyBackendTLSUnused(name string) string {
	switch {
	case !strings.HasPrefix(name, "BACKEND_TLS_"):
		return ""
	case !s.usesBackendTLS():
		return s.Variable("LB_BACKEND_TLS") + " is off, and no backend has https:// or tls:// in front"
	case name == "BACKEND_TLS_CA" && !bool(s.BackendTLSVerify):
		return s.Variable("LB_BACKEND_TLS_VERIFY") + " is off"
	}
	return ""
}

// backendTLSWarnings returns the warnings about the settings of TLS to backends.
func (s *Service) backendTLSWarnings() (all []Warning) {
	if !s.usesBackendTLS() {
		return nil
	}
	if !s.BackendTLSVerify {
		all = append(all, Warning{s.Variable("LB_BACKEND_TLS_VERIFY"), "off: the certificates of backends are not verified, so anyone who can redirect the connections can read and change the data"})
	}
	certs, err := tlsconf.ParseCertificates([]byte(s.BackendTLSCert))
	if err == nil && time.Now().After(certs[0].NotAfter) {
		all = append(all, Warning{s.Variable("LB_BACKEND_TLS_CERT"), fmt.Sprintf("it expired on %s: backends that verify it refuse connections", certs[0].NotAfter.Format(time.DateOnly))})
	}
	return all
}
