package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard decides which requests may change or profile the program.
type guard struct {
	token    [sha256.Size]byte // hashed, so that comparing takes the same time for any length
	bears    bool              // there is a token
	origin   *http.CrossOriginProtection
	hostname string
}

func newGuard(token, hostname string) *guard {
	return &guard{hostname: hostname, token: sha256.Sum256([]byte(token)), bears: token != "", origin: http.NewCrossOriginProtection()}
}

// protect lets requests through that bear the token, or if there is none come from
// this machine; and none that a page of another site makes a browser send.
func (g *guard) protect(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case g.origin.Check(r) != nil || strange(r):
			fail(w, http.StatusForbidden, "cross-site requests are refused")
		case g.bears && !g.borne(r):
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, http.StatusUnauthorized, "expected Authorization: Bearer with LB_ADMIN_TOKEN")
		case !g.bears && !local(r):
			fail(w, http.StatusForbidden, "allowed only from this machine while LB_ADMIN_TOKEN is not set")
		default:
			next(w, r)
		}
	})
}

// strange reports whether the request is one that another site makes a browser send, even
// only to read: CrossOriginProtection lets that through, because the site cannot see the
// answer, but a profile costs something all the same.
func strange(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site"
}

// borne reports whether the request bears the token (RFC 6750 section 2.1).
func (g *guard) borne(r *http.Request) bool {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(sum[:], g.token[:]) == 1
}

// proxyFields are what proxies add to a request, one or another of them.
var proxyFields = [...]string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip"}

// local reports whether the request comes from this machine and asks for it: not by way
// of a proxy here, and not under a name that an attacker may have made point here (DNS
// rebinding).
func local(r *http.Request) bool {
	for _, name := range proxyFields {
		if _, ok := r.Header[name]; ok { // empty ones too: some proxies add theirs behind the client's
			return false
		}
	}
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && addr.Network() == "unix" {
		return true
	}
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && client.Addr().Unmap().IsLoopback() && namesThisMachine(r.Host)
}

// ownName refuses requests from this machine under a name that is not this machine's: a
// page in a browser here may have made its own name point here (DNS rebinding), and
// could then read. From elsewhere, where Prometheus asks by name, any name is taken.
func (g *guard) ownName(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fromThisMachine(r) && !namesThisMachine(r.Host) && !g.named(r.Host) {
			fail(w, http.StatusMisdirectedRequest, fmt.Sprintf("Host %q is not this machine: use its address, localhost or %s", r.Host, g.hostname))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// named reports whether the host is this machine's own name.
func (g *guard) named(host string) bool {
	return g.hostname != "" && strings.EqualFold(withoutPort(host), g.hostname)
}

// fromThisMachine reports whether the client's address is one of this machine.
func fromThisMachine(r *http.Request) bool {
	client, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false // of a Unix socket: no browser asks there
	}
	own, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return client.Addr().Unmap().IsLoopback() || own != nil && own.AddrPort().Addr().Unmap() == client.Addr().Unmap()
}

// namesThisMachine reports whether the host is an address or localhost.
func namesThisMachine(host string) bool {
	host = strings.Trim(withoutPort(host), "[]")
	_, err := netip.ParseAddr(host)
	return err == nil || strings.EqualFold(host, "localhost")
}

// withoutPort returns a request's host without its port, if it has one.
func withoutPort(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
