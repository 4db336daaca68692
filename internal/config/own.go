package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"fourseven/health"
)

// Own reports whether a connection to the address reaches one of the listeners: a
// backend there would be this process itself, and each of its connections would make
// another one.
func (c *Config) Own(addr netip.AddrPort) bool {
	_, own := reached(c.listeners(), addr.String())
	return own
}

// CheckBackends returns an error that lists the backends that are the process's own
// listeners, or conflict with other settings of the services that have the list. The
// variable is that of the list. Names are not looked up.
func (c *Config) CheckBackends(variable string, list Backends) error {
	errs := ownBackends(c.listeners(), variable, list)
	for _, s := range c.Services {
		if s.Variable("LB_BACKENDS") == variable {
			errs = slices.Concat(errs, s.singleConflicts(list), s.secureListConflicts(list))
		}
	}
	return eachOnce(errs)
}

// ownBackends returns a fault for each backend that one of these listeners is.
func ownBackends(all []listener, variable string, list Backends) (errs []error) {
	for _, one := range list {
		if l, own := reached(all, one.Spec.Addr); own && !one.IsName() {
			errs = append(errs, fmt.Errorf("%s: entry %q: it is this process's own listener %s=%s, expected a backend",
				variable, one.Spec.Addr, l.variable, l.addr))
		}
	}
	return errs
}

// reached returns the listener that a connection to a backend's address reaches.
func reached(all []listener, backend string) (one listener, own bool) {
	network, at := health.SplitAddr(backend)
	dialled, err := netip.ParseAddrPort(at)
	for _, l := range all {
		if l.isUnix() || network == "unix" {
			if network == "unix" && l.port == at {
				return l, true
			}
		} else if err == nil && l.port == strconv.Itoa(int(dialled.Port())) && l.reachedAt(dialled.Addr().Unmap()) {
			return l, true
		}
	}
	return listener{}, false
}

// isUnix reports whether it is a Unix socket.
func (l listener) isUnix() bool { return strings.HasPrefix(l.port, "/") }

// reachedAt reports whether a connection to an address, at the listener's port, reaches
// the listener.
func (l listener) reachedAt(to netip.Addr) bool {
	if to.IsUnspecified() { // a dial of it reaches the loopback address of its family
		to = loopback(to)
	}
	switch l.host {
	case "":
		ip4Only := strings.HasPrefix(string(l.addr), "0.0.0.0:")
		return !(ip4Only && to.Is6()) && (to.IsLoopback() || isLocal(to))
	case "localhost":
		return to.IsLoopback()
	}
	return l.host == to.String()
}

func loopback(unspecified netip.Addr) netip.Addr {
	if unspecified.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// isLocal reports whether an interface of this machine has the address.
func isLocal(ip netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, addr := range addrs {
		if prefix, err := netip.ParsePrefix(addr.String()); err == nil && prefix.Addr().Unmap() == ip.WithZone("") {
			return true
		}
	}
	return false
}
