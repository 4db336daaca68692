package tlsconf

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// chooser chooses a certificate by the name that a client asks for (SNI, RFC 6066 section
// 3). It does not change.
type chooser struct {
	first    *tls.Certificate
	byName   map[string][]*tls.Certificate // in lower case; *.example.com as it is
	expiries []Expiry
}

// newChooser checks all pairs, and returns a chooser of them.
func newChooser(now *content) (*chooser, error) {
	c := &chooser{byName: map[string][]*tls.Certificate{}}
	if now.cert != "" || now.key != "" {
		if err := c.add("", []byte(now.cert), []byte(now.key)); err != nil {
			return nil, err
		}
	}
	for _, p := range now.dir {
		if err := c.add(p.Name, p.Cert, p.Key); err != nil {
			return nil, fmt.Errorf("pair %s: %w", p.Name, err)
		}
	}
	if c.first == nil {
		return nil, errors.New("there is no certificate")
	}
	return c, nil
}

// CheckDir returns the faults of the pairs in a directory.
func CheckDir(dir string) error {
	pairs, err := ReadDir(dir)
	if err != nil {
		return err
	}
	_, err = newChooser(&content{dir: pairs})
	return err
}

// add adds a pair, which has to be valid but for its time.
func (c *chooser) add(source string, cert, key []byte) error {
	pair, err := loadPair(cert, key)
	if err != nil {
		return err
	}
	if c.first == nil {
		c.first = &pair
	}
	names := namesOf(pair.Leaf)
	_, cheap := pair.PrivateKey.(*ecdsa.PrivateKey)
	for _, name := range names {
		name = strings.ToLower(name)
		if cheap {
			c.byName[name] = slices.Insert(c.byName[name], 0, &pair)
		} else {
			c.byName[name] = append(c.byName[name], &pair)
		}
	}
	c.expiries = append(c.expiries, Expiry{source, names, pair.Leaf.NotAfter})
	return nil
}

// namesOf returns the names that a certificate is for. Old ones have only a common name.
func namesOf(cert *x509.Certificate) []string {
	if len(cert.DNSNames) == 0 && len(cert.IPAddresses) == 0 && cert.Subject.CommonName != "" {
		return []string{cert.Subject.CommonName}
	}
	return cert.DNSNames
}

// choose returns a certificate of the name, or else one whose wildcard has it, or else the
// first. Of several, it is one whose kind of key the client takes, and ECDSA before others:
// a handshake with RSA costs five times the processor time.
func (c *chooser) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	found := c.byName[name]
	if _, parent, ok := strings.Cut(name, "."); ok && len(found) == 0 {
		found = c.byName["*."+parent]
	}
	if len(found) == 0 {
		return c.first, nil
	}
	for _, cert := range found {
		if len(found) == 1 || hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	return found[0], nil
}
