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
	// Unverified is whether any certificate is accepted.
	Unverified bool

	mu      sync.Mutex
	pems    ClientPEMs
	current atomic.Pointer[clientState]
}

// clientState is what Set has made of certificates.
type clientState struct {
	config *tls.Config
	roots  func() *x509.CertPool // read when they are first used: the system's are large
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
	now := &clientState{roots: sync.OnceValue(systemRoots)}
	// Sessions belong to the certificates with which they were agreed on.
	now.config = &tls.Config{InsecureSkipVerify: c.Unverified, ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions)}
	if pems.CA != "" {
		authorities, err := ParseCertificates([]byte(pems.CA))
		if err != nil {
			return false, err
		}
		now.roots = sync.OnceValue(func() *x509.CertPool { return poolOf(authorities) })
	}
	if pems.Cert != "" {
		pair, err := tls.X509KeyPair([]byte(pems.Cert), []byte(pems.Key))
		if err != nil {
			return false, err
		}
		now.config.Certificates = []tls.Certificate{pair}
	}
	c.pems = pems
	c.current.Store(now)
	return true, nil
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
