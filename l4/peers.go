package l4

import "net/netip"

// Peers are hosts that are trusted, for instance to state who the client is: those of
// some networks, and those that connect over a Unix socket.
type Peers struct {
	Networks []netip.Prefix
	Unix     bool
}

// Contains reports whether a connection's peer is one of them. Peers over Unix sockets
// have the zero Addr.
func (p Peers) Contains(addr netip.Addr) bool {
	if !addr.IsValid() {
		return p.Unix
	}
	return contains(p.Networks, addr)
}

// any reports whether there may be such peers.
func (p Peers) any() bool { return p.Unix || len(p.Networks) > 0 }

func contains(networks []netip.Prefix, addr netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(addr) {
			return true
		}
	}
	return false
}
