package config

import (
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"fourseven/health"
	"fourseven/l4"
)

// Address is where a listener binds, or "off".
type Address string

// Off reports whether there is to be no listener.
func (a Address) Off() bool { return a == "off" }

// place returns what a listener on the address occupies: a port, or instead of it a path,
// on one host or on all (""). A listener that is off occupies nothing, nor does port 0,
// which is any free port.
func (a Address) place() (host, port string) {
	network, at := a.Dial()
	if network == "unix" {
		return "", filepath.Clean(at)
	}
	host, port, _ = net.SplitHostPort(at) // an address with a fault occupies nothing
	ip, err := netip.ParseAddr(host)
	switch ip = ip.Unmap(); {
	case err != nil:
		host = strings.ToLower(host)
	case ip.IsUnspecified():
		host = ""
	default:
		host = ip.String()
	}
	return host, strings.TrimLeft(port, "0")
}

// Dial returns the network and address that reach a listener on the address.
func (a Address) Dial() (network, addr string) {
	network, addr = health.SplitAddr(string(a))
	if network == "unix" {
		addr, _, _ = strings.Cut(addr, ";") // without its mode
	}
	return network, addr
}

// UnmarshalText reads host:port, :port, unix:/path or off.
func (a *Address) UnmarshalText(text []byte) error {
	*a = Address(text)
	if a.Off() {
		return nil
	}
	if network, addr := health.SplitAddr(string(text)); network == "unix" {
		path, _, err := l4.SplitMode(addr)
		if _, bad := health.ParseSpec("unix:" + path); bad != nil || err != nil {
			return errUnexpected
		}
		return nil
	}
	host, port, err := net.SplitHostPort(string(text))
	if err != nil || host != "" && health.CheckHost(host) != nil {
		return errUnexpected
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errUnexpected
	}
	return nil
}
