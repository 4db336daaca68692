package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hashicorp/go-multierror"

	"fourseven/health"
)

// Own reports whether a connection to the address reaches one of the listeners: a
// backend there would be this process itself, and each of its connections would make
// another one.
func (c *Config) Own(addr netip.AddrPort) bool {
	_, own := c.ownListener(addr.String())
	return own
}

// CheckOwn returns an error that lists the backends that are the process's own listeners.
// Names are not looked up.
func (c *Config) CheckOwn(list Backends) error {
	errs := &multierror.Error{ErrorFormat: onePerLine}
	return multierror.Append(errs, c.ownBackends(list)...).ErrorOrNil()
}

func (c *Config) ownBackends(list Backends) (errs []error) {
	for _, one := range list {
		if s, own := c.ownListener(one.Spec.Addr); own && !one.IsName() {
			errs = append(errs, fmt.Errorf("LB_BACKENDS: entry %q: it is this process's own listener %s=%s, expected a backend",
				one.Spec.Addr, s.name, s.format(c)))
		}
	}
	return errs
}

// ownListener returns the listener that a connection to a backend's address reaches.
func (c *Config) ownListener(backend string) (listener setting, own bool) {
	for _, s := range settings() {
		if addr, ok := s.value(c).Interface().(Address); ok && addr.reachedBy(backend) {
			return s, true
		}
	}
	return setting{}, false
}

// reachedBy reports whether a connection to a backend's address, which has no name in it,
// reaches a listener on a.
func (a Address) reachedBy(backend string) bool {
	host, port := a.place()
	network, at := health.SplitAddr(backend)
	if network == "unix" || host == "" && port != "" && port[0] == '/' {
		return network == "unix" && port == at
	}
	dialled, err := netip.ParseAddrPort(at)
	if err != nil || port != strconv.Itoa(int(dialled.Port())) {
		return false
	}
	to := dialled.Addr().Unmap()
	if to.IsUnspecified() { // a dial of it reaches the loopback address of its family
		to = loopback(to)
	}
	if host == "" {
		ip4Only := strings.HasPrefix(string(a), "0.0.0.0:")
		return !(ip4Only && to.Is6()) && (to.IsLoopback() || isLocal(to))
	}
	if host == "localhost" {
		return to.IsLoopback()
	}
	return host == to.String()
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
