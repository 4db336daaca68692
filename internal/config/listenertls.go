package config

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"fourseven/internal/tlsconf"
)

// Directory is the path of a directory, or empty.
type Directory string

// Protocols are names of ALPN protocols (RFC 7301).
type Protocols []string

// UnmarshalText reads protocols set off by commas.
func (p *Protocols) UnmarshalText(text []byte) (err error) {
	*p, err = parseList(text, func(entry string) (string, error) {
		if len(entry) > 255 {
			return "", errors.New("expected at most 255 bytes")
		}
		return entry, nil
	})
	return err
}

func (p Protocols) String() string { return strings.Join(p, ",") }

// TicketKey is a key of session tickets, in base64. It never prints itself.
type TicketKey string

// UnmarshalText accepts 32 bytes in base64, or nothing.
func (k *TicketKey) UnmarshalText(text []byte) error {
	*k = TicketKey(text)
	_, err := tlsconf.ParseTicketKey(string(text))
	return unexpectedIf(err != nil && len(text) > 0)
}

func (k TicketKey) String() string { return Token(k).String() }

// EndsTLS reports whether the service ends the TLS of its clients, on either listener.
func (s *Service) EndsTLS() bool { return s.endsL4TLS() || bool(s.L7TLS) && !s.L7Listen.Off() }

func (s *Service) endsL4TLS() bool {
	return (s.L4TLS == "on" || s.L4TLS == "postgres") && !s.L4Listen.Off()
}

// TLSSources returns the sources of the certificates that clients are shown.
func (s *Service) TLSSources() tlsconf.Sources {
	return tlsconf.Sources{
		Cert: s.text("LB_TLS_CERT", string(s.TLSCert)), Key: s.text("LB_TLS_KEY", string(s.TLSKey)),
		Dir:      string(s.TLSDir),
		ClientCA: s.text("LB_TLS_CLIENT_CA", string(s.TLSClientCA)), TicketKey: s.text("LB_TLS_TICKET_KEY", string(s.TLSTicketKey)),
	}
}

// TLSMinimum returns the lowest TLS version that clients may use.
func (s *Service) TLSMinimum() uint16 {
	if s.TLSMinVersion == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// listenerTLSConflicts returns the faults of the settings of TLS from clients.
func (s *Service) listenerTLSConflicts() (errs []error) {
	errs = s.pairConflicts("LB_TLS_CERT", "LB_TLS_KEY", s.TLSCert, s.TLSKey)
	if s.TLSDir != "" {
		if err := checkDir(string(s.TLSDir)); err != nil {
			errs = append(errs, fmt.Errorf("%s=%q: %w", s.Variable("LB_TLS_DIR"), s.TLSDir, err))
		}
	}
	if s.EndsTLS() && s.TLSDir == "" && s.source("LB_TLS_CERT").IsDefault() && s.source("LB_TLS_KEY").IsDefault() {
		on := s.Variable("LB_L7_TLS") + "=on"
		if s.endsL4TLS() {
			on = s.Variable("LB_L4_TLS") + "=" + s.L4TLS
		}
		errs = append(errs, fmt.Errorf("%s: there is no certificate, expected %s and %s to be set, or %s", on,
			s.Variable("LB_TLS_CERT"), s.Variable("LB_TLS_KEY"), s.Variable("LB_TLS_DIR")))
	}
	if !s.L7RedirectListen.Off() && (s.L7Listen.Off() || !bool(s.L7TLS)) {
		errs = append(errs, fmt.Errorf("%s=%q: it redirects to HTTPS, expected %s to be on, and %s not to be off",
			s.Variable("LB_L7_REDIRECT_LISTEN"), s.L7RedirectListen, s.Variable("LB_L7_TLS"), s.Variable("LB_L7_LISTEN")))
	}
	return errs
}

// pairConflicts returns the faults of a certificate and its key, by their settings.
func (s *Service) pairConflicts(certName, keyName string, c Certificates, k PrivateKey) []error {
	cert, key := s.Variable(certName), s.Variable(keyName)
	switch {
	case c != "" && k == "" && s.source(keyName).IsDefault():
		return []error{fmt.Errorf("%s: %s is not set, expected both or none of them", cert, key)}
	case k != "" && c == "" && s.source(certName).IsDefault():
		return []error{fmt.Errorf("%s: %s is not set, expected both or none of them", key, cert)}
	}
	if err := pair(c, k); err != nil {
		return []error{fmt.Errorf("%s: expected the key of %s: %w", key, cert, err)}
	}
	return nil
}

// checkDir returns the faults of the pairs in a directory.
func checkDir(dir string) error {
	fault, err := new(Reading[error]).Wait(context.Background(), func() error { return tlsconf.CheckDir(dir) })
	return cmp.Or(err, fault)
}

// whyListenerTLSUnused returns why a setting of the TLS of clients has no effect, or
// nothing.
func (s *Service) whyListenerTLSUnused(name string) string {
	l4, l7 := s.Variable("LB_L4_TLS"), s.Variable("LB_L7_TLS")
	switch {
	case name == "L4_TLS" && s.L4TLS != "off" && s.L4Listen.Off(), name == "L4_TLS_ALPN" && s.L4Listen.Off():
		return s.Variable("LB_L4_LISTEN") + " is off"
	case name == "L4_TLS_ALPN" && s.L4TLS != "on":
		return l4 + " is " + s.L4TLS
	case strings.HasPrefix(name, "TLS_") && !s.EndsTLS():
		return l4 + " and " + l7 + " end no TLS"
	}
	return ""
}

// listenerTLSWarnings returns the warnings about the certificates that clients are shown.
func (s *Service) listenerTLSWarnings() (all []Warning) {
	if !s.EndsTLS() {
		return nil
	}
	server := &tlsconf.Server{Minimum: s.TLSMinimum()}
	if server.Set(s.TLSSources()) != nil {
		return nil // a fault, or the files have changed
	}
	for _, e := range server.Expiries() {
		if time.Now().Before(e.At) {
			continue
		}
		variable, of := s.Variable("LB_TLS_CERT"), "it"
		if e.Source != "" {
			variable, of = s.Variable("LB_TLS_DIR"), e.Source
		}
		all = append(all, Warning{variable, fmt.Sprintf("%s expired on %s: clients that verify it refuse connections", of, e.At.Format(time.DateOnly))})
	}
	return all
}
