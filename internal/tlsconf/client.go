package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
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
	// Name is the name that the certificates of all backends must have, and that they are
	// asked for (RFC 6066 section 3). If empty, it is the backend's host.
	Name string
	// Unverified is whether any certificate is accepted.
	Unverified bool

	mu      sync.Mutex
	pems    ClientPEMs
	current atomic.Pointer[tls.Config]
}

// ClientPEMs are the certificates and the key of a Client, in PEM.
type ClientPEMs struct {
	// CA has the authorities of the backends' certificates. If empty, they are the
	// system's, or where it has none, as in an empty image, those that are built in.
	CA string
	// Cert and Key are what backends are shown that demand a certificate. Both may be
	// empty.
	Cert, Key string
}

// Set makes new connections use these certificates, if they are valid; else the ones
// before stay. It reports whether they are others than before. The error has nothing of
// the key in it.
func (c *Client) Set(pems ClientPEMs) (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current.Load() != nil && pems == c.pems {
		return false, nil
	}
	// Sessions belong to the certificates with which they were agreed on.
	cfg := &tls.Config{InsecureSkipVerify: c.Unverified, ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions)}
	if cfg.RootCAs, err = roots([]byte(pems.CA)); err != nil {
		return false, err
	}
	if pems.Cert != "" {
		pair, err := tls.X509KeyPair([]byte(pems.Cert), []byte(pems.Key))
		if err != nil {
			return false, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	c.pems = pems
	c.current.Store(cfg)
	return true, nil
}

// Config returns the settings of one connection to a backend at an address, whose name is
// the host unless Name is set. The backend is asked for one of the protocols (ALPN, RFC
// 7301), if there are any.
func (c *Client) Config(addr, host string, protocols ...string) *tls.Config {
	cfg := c.current.Load().Clone()
	cfg.ServerName = c.Name
	if c.Name == "" {
		cfg.ServerName = strings.TrimSuffix(host, ".")
	}
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

// roots returns the authorities in PEM, or if there are none the system's or the built-in
// ones.
func roots(text []byte) (*x509.CertPool, error) {
	if len(text) > 0 {
		all, err := ParseCertificates(text)
		pool := x509.NewCertPool()
		for _, cert := range all {
			pool.AddCert(cert)
		}
		return pool, err
	}
	system, err := x509.SystemCertPool()
	if err == nil && !system.Equal(x509.NewCertPool()) {
		return system, nil
	}
	return builtIn()
}

// builtIn returns Mozilla's authorities.
func builtIn() (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return nil, err
		}
		if root.Constraint == nil {
			pool.AddCert(cert)
		} else {
			pool.AddCertWithConstraint(cert, root.Constraint)
		}
	}
	return pool, nil
}
