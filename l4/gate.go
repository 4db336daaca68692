package l4

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// headerTimeout is how long a PROXY header may take to arrive.
const headerTimeout = 5 * time.Second

// Gate decides which clients come in, for all frontends together. The zero value
// lets everybody in. Its fields are set before use; its methods are safe for
// concurrent use.
type Gate struct {
	// Allow and Deny are networks of clients. Deny wins; an empty Allow allows all.
	// Clients of a Unix socket have no address and are not asked for one.
	Allow, Deny []netip.Prefix
	// MaxConnsPerIP bounds the connections of one client address. 0 is no limit.
	MaxConnsPerIP int
	// ProxyFrom are the networks whose connections must begin with a PROXY header,
	// which says who the client is.
	ProxyFrom []netip.Prefix

	mu    sync.Mutex
	conns map[netip.Addr]int // only with MaxConnsPerIP
}

// Visitor is a client that has come in.
type Visitor struct {
	// Client and Local are the two ends of the client's connection, those of the
	// PROXY header if there was one. They are the zero AddrPort for Unix sockets.
	Client, Local netip.AddrPort

	gate *Gate // to tell when it leaves; nil if nobody counts
}

// Enter reads the PROXY header where one is due, and then decides. It may take
// headerTimeout, so it belongs in the connection's own goroutine. If the ending
// is not empty the client must not come in; otherwise Leave must be called once.
func (g *Gate) Enter(conn net.Conn) (Visitor, Ending) {
	v := Visitor{Client: addrPort(conn.RemoteAddr()), Local: addrPort(conn.LocalAddr())}
	if g == nil {
		return v, ""
	}
	if contains(g.ProxyFrom, v.Client.Addr()) {
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

// count reports whether the client may have one connection more.
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

// Leave tells the gate that the client's connection has ended.
func (v *Visitor) Leave() {
	if v.gate == nil {
		return
	}
	v.gate.mu.Lock()
	defer v.gate.mu.Unlock()
	client := v.Client.Addr()
	if v.gate.conns[client]--; v.gate.conns[client] == 0 {
		delete(v.gate.conns, client) // bounded by the connections that live
	}
	v.gate = nil
}

func contains(networks []netip.Prefix, addr netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}

// addrPort returns a TCP address, IPv4 always in its short form, and IPv6 without
// a zone, which no network would contain.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}
