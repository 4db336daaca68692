package l4

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
)

// errOwn is why a dial that reached this process is given up.
var errOwn = errors.New("it is this process's own listener")

// Own has the addresses of this process's listeners. A backend that turns out to be one
// of them must not be used: each of its connections would make another one. The zero
// value has none. It is safe for concurrent use.
//
// Only the two ends of a connection are compared, so a listener that is reached through
// NAT is not found out.
type Own struct {
	listeners atomic.Pointer[[]netip.AddrPort]
}

// Add adds the address of a listener. Those of Unix sockets are ignored: settings name
// them in one way only.
func (o *Own) Add(addr net.Addr) {
	own := addrPort(addr)
	if !own.IsValid() {
		return
	}
	for {
		old := o.listeners.Load()
		all := []netip.AddrPort{own}
		if old != nil {
			all = append(slices.Clone(*old), own)
		}
		if o.listeners.CompareAndSwap(old, &all) {
			return
		}
	}
}

// reached reports whether a connection that was dialled ends at one of the listeners.
func (o *Own) reached(conn net.Conn) bool {
	if o == nil || o.listeners.Load() == nil {
		return false
	}
	remote := peerOf(conn)
	for _, own := range *o.listeners.Load() {
		if own.Port() == remote.Port() && (own.Addr() == remote.Addr() || own.Addr().IsUnspecified() && fromHere(conn, remote)) {
			return true
		}
	}
	return false
}

// fromHere reports whether a connection does not leave this machine: the kernel gives it
// the address that it goes to, or a loopback address.
func fromHere(conn net.Conn, remote netip.AddrPort) bool {
	return remote.Addr().IsLoopback() || addrPort(conn.LocalAddr()).Addr() == remote.Addr()
}
