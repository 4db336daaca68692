package l4

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"fourseven/internal/loop"
)

// headerTimeout is how long a PROXY header may take to arrive.
const headerTimeout = 5 * time.Second

// Gate decides which clients are allowed, for all frontends that share it. The
// zero value and a nil Gate allow every client. Its fields are set before use; its
// methods are safe for concurrent use.
type Gate struct {
	// Allow and Deny are networks of clients. Deny wins. Without Allow, every client
	// is allowed that Deny does not have. Clients of a Unix socket have no address,
	// and are always allowed.
	Allow, Deny []netip.Prefix
	// MaxConnsPerIP limits the connections of one client address. 0 is no limit.
	MaxConnsPerIP int
	// ProxyFrom are the peers whose connections must begin with a PROXY header, which
	// has the address of the client.
	ProxyFrom Peers

	mu    sync.Mutex
	conns map[netip.Addr]int // only with MaxConnsPerIP
}

// Visitor is a client that the gate has allowed.
type Visitor struct {
	// Client is the address of the client, that of the PROXY header if there was one.
	// It is the zero AddrPort for Unix sockets.
	Client netip.AddrPort

	local *netip.AddrPort // of the PROXY header; nil without
	gate  *Gate           // counts the connection; nil without MaxConnsPerIP
}

// Local returns the address that the visitor connected to, that of the PROXY header if
// there was one. It is the zero AddrPort for Unix sockets.
func (v *Visitor) Local(conn net.Conn) netip.AddrPort {
	if v.local != nil && v.local.IsValid() {
		return *v.local
	}
	return addrPort(conn.LocalAddr())
}

// Enter reads the PROXY header where one is required, and decides. It may wait for
// the header for five seconds, so it belongs in the connection's own goroutine or
// fiber. An
// ending that is not empty is why the client is refused; otherwise the caller calls
// Leave once, when the connection has ended.
func (g *Gate) Enter(conn net.Conn) (Visitor, Ending) {
	v := Visitor{Client: peerOf(conn)}
	if g == nil {
		return v, ""
	}
	if g.ProxyFrom.Contains(v.Client.Addr()) {
		if err := readProxyHeader(conn, &v); err != nil {
			return v, ProxyHeader
		}
	}
	if !g.admits(v.Client.Addr()) || !g.count(&v) {
		return v, Denied
	}
	return v, ""
}

func (g *Gate) admits(client netip.Addr) bool {
	if !client.IsValid() {
		return true
	}
	return !contains(g.Deny, client) && (len(g.Allow) == 0 || contains(g.Allow, client))
}

// count reports whether the client may have one more connection, and counts it.
func (g *Gate) count(v *Visitor) bool {
	client := v.Client.Addr()
	if g.MaxConnsPerIP <= 0 || !client.IsValid() {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns[client] >= g.MaxConnsPerIP {
		return false
	}
	if g.conns == nil {
		g.conns = make(map[netip.Addr]int)
	}
	g.conns[client]++
	v.gate = g
	return true
}

// Leave notes that the client's connection has ended.
func (v *Visitor) Leave() {
	if v.gate == nil {
		return
	}
	v.gate.mu.Lock()
	defer v.gate.mu.Unlock()
	client := v.Client.Addr()
	if v.gate.conns[client]--; v.gate.conns[client] == 0 {
		delete(v.gate.conns, client) // keep no more entries than there are connections
	}
	v.gate = nil
}

// peerOf returns the address of a connection's peer, as addrPort has it.
func peerOf(conn net.Conn) netip.AddrPort {
	if c, ok := conn.(*loop.Conn); ok {
		return plain(c.RemoteAddrPort()) // does not allocate
	}
	return addrPort(conn.RemoteAddr())
}

// addrPort returns a TCP address, or the zero AddrPort for another one.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return plain(tcp.AddrPort())
}

// plain returns the address with IPv4 always in its short form, and IPv6 without its
// zone, because no network contains an address with a zone.
func plain(ap netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}
