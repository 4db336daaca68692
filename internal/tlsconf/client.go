package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// maxSessions is how many TLS sessions with backends are kept, to be resumed.
const maxSessions = 512

// Client is how TLS is spoken to backends. Its fields are set before Set, which must have
// succeeded once before Config is called. It is safe for concurrent use.
type Client struct {
	// Unverified is whether any certificate is accepted.
	Unverified bool

	mu      sync.Mutex
	from    ClientSources
	last    clientPEMs // that are in use
	current atomic.Pointer[clientState]
}

// clientState is the configuration that was made from certificates.
type clientState struct {
	config *tls.Config
	roots  func() *x509.CertPool // read when they are first used: the system's are large
}

// ClientSources are where a Client's certificates and key are from.
type ClientSources struct {
	// CA has the authorities of the backends' certificates. If empty, they are the
	// system's, or where it has none, as in an empty image, those that are built in.
	CA Text
	// Cert and Key are a pair for backends that demand a certificate. Both may be empty.
	Cert, Key Text
}

// clientPEMs is the content of the sources at one time.
type clientPEMs struct{ ca, cert, key string }

// Set takes the sources, whose texts have been read. If anything is not valid, the error
// has the reason, and nothing changes. It has nothing of a key in it.
func (c *Client) Set(from ClientSources) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from = from
	return c.useLocked(clientPEMs{from.CA.Value, from.Cert.Value, from.Key.Value})
}

// Reload reads the files again, as that of a Server does. Connections that are open keep
// what they began with; those that L7 keeps are closed within its time for that.
func (c *Client) Reload() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, changed, err := settled(c.readLocked, c.last, func(a, b clientPEMs) bool { return a == b })
	if err != nil || !changed {
		return false, err
	}
	err = c.useLocked(now)
	return err == nil, err
}

func (c *Client) readLocked() (now clientPEMs, err error) {
	if now.ca, err = c.from.CA.read(); err != nil {
		return now, err
	}
	if now.cert, err = c.from.Cert.read(); err != nil {
		return now, err
	}
	now.key, err = c.from.Key.read()
	return now, err
}

// useLocked makes new connections use the content that was read.
func (c *Client) useLocked(pems clientPEMs) error {
	now := &clientState{roots: sync.OnceValue(systemRoots)}
	// Sessions belong to the certificates with which they were agreed on.
	now.config = &tls.Config{InsecureSkipVerify: c.Unverified, ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions)}
	if pems.ca != "" {
		authorities, err := ParseCertificates([]byte(pems.ca))
		if err != nil {
			return fmt.Errorf("authorities of backends: %w", err)
		}
		now.roots = sync.OnceValue(func() *x509.CertPool { return poolOf(authorities) })
	}
	if pems.cert != "" || pems.key != "" {
		pair, err := loadPair([]byte(pems.cert), []byte(pems.key))
		if err != nil {
			return err
		}
		now.config.Certificates = []tls.Certificate{pair}
	}
	c.last = pems
	c.current.Store(now)
	return nil
}

// Config returns the settings of one connection to a backend at an address. Its certificate
// must have the name, which it is asked for if it is not an IP address (RFC 6066 section 3).
// The backend is asked for one of the protocols (ALPN, RFC 7301), if there are any.
func (c *Client) Config(addr, name string, protocols ...string) *tls.Config {
	now := c.current.Load()
	cfg := now.config.Clone()
	if !c.Unverified {
		cfg.RootCAs = now.roots()
	}
	cfg.ServerName = strings.TrimSuffix(name, ".")
	cfg.ClientSessionCache = sessions{cfg.ClientSessionCache, addr}
	cfg.NextProtos = protocols
	return cfg
}

// sessions are the sessions with one backend. Others of its name may have other keys.
type sessions struct {
	tls.ClientSessionCache
	addr string
}

// Get returns the last session.
func (s sessions) Get(key string) (*tls.ClientSessionState, bool) {
	return s.ClientSessionCache.Get(s.addr + " " + key)
}

// Put keeps a session.
func (s sessions) Put(key string, session *tls.ClientSessionState) {
	s.ClientSessionCache.Put(s.addr+" "+key, session)
}

func poolOf(authorities []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, cert := range authorities {
		pool.AddCert(cert)
	}
	return pool
}

// systemRoots returns the system's authorities, or if it has none the built-in ones.
func systemRoots() *x509.CertPool {
	system, err := x509.SystemCertPool()
	if err == nil && !system.Equal(x509.NewCertPool()) {
		return system
	}
	return builtInRoots()
}

// builtInRoots returns Mozilla's authorities.
func builtInRoots() *x509.CertPool {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			panic(err) // the bundle is a part of the program
		}
		if root.Constraint == nil {
			pool.AddCert(cert)
		} else {
			pool.AddCertWithConstraint(cert, root.Constraint)
		}
	}
	return pool
}
