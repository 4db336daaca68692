package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"

	"fourseven/health"
	"fourseven/internal/tlsconf"
)

// Certificates are certificates in PEM. They print themselves as their number: someone may
// have put a key there.
type Certificates string

// UnmarshalText accepts at least one certificate, or nothing.
func (c *Certificates) UnmarshalText(text []byte) error {
	if _, err := tlsconf.ParseCertificates(text); err != nil && len(text) > 0 {
		return errUnexpected
	}
	*c = Certificates(text)
	return nil
}

func (c Certificates) String() string {
	all, _ := tlsconf.ParseCertificates([]byte(c))
	switch len(all) {
	case 0:
		return ""
	case 1:
		return "(certificate of " + nameOf(all[0]) + ")"
	}
	return fmt.Sprintf("(%d certificates, the first of %s)", len(all), nameOf(all[0]))
}

func nameOf(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 {
		return c.DNSNames[0]
	}
	return c.Subject.String()
}

// PrivateKey is a private key in PEM. It never prints itself.
type PrivateKey string

// UnmarshalText accepts anything in PEM: whether it is the key of a certificate is found
// out beside that.
func (k *PrivateKey) UnmarshalText(text []byte) error {
	if len(text) > 0 && !strings.Contains(string(text), "PRIVATE KEY-----") {
		return errUnexpected
	}
	*k = PrivateKey(text)
	return nil
}

func (k PrivateKey) String() string { return Token(k).String() }

// ServerName is the name that a certificate must have, or empty.
type ServerName string

// UnmarshalText accepts a host name or an IP address, without a port.
func (n *ServerName) UnmarshalText(text []byte) error {
	*n = ServerName(strings.TrimSuffix(strings.ToLower(string(text)), "."))
	if addr, err := netip.ParseAddr(string(text)); err == nil {
		*n = ServerName(addr.WithZone("").String())
	}
	return unexpectedIf(len(text) > 0 && health.CheckHost(string(text)) != nil)
}

// text returns a setting's value with the path of the file that it was read from, if there
// was one.
func (s *Service) text(name, value string) tlsconf.Text {
	path, _ := s.source(name).File()
	return tlsconf.Text{Value: value, Path: path}
}

// pair returns the fault of a certificate and its key, each of which may be empty.
func pair(cert Certificates, key PrivateKey) error {
	if cert == "" || key == "" {
		return nil
	}
	_, err := tls.X509KeyPair([]byte(cert), []byte(key))
	return err
}
