package health

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Entry is one entry of a backend list: a backend, at an address or a host name, or a
// name whose addresses in DNS are backends.
type Entry struct {
	// Spec is the entry's backend. For a name it is the pattern of its backends: Addr
	// is the name with its scheme, and the options are theirs. A pattern's Weight is
	// 0 if the entry has none.
	Spec Spec

	kind entryKind
	name string // the host or the service; empty for a backend that is at an address
	port string // of a host
}

type entryKind uint8

const (
	static  entryKind = iota
	host              // dns://: addresses of a host
	service           // srv://: hosts and ports of a service (RFC 2782)
)

// FromDNS reports whether the entry's backends come from DNS.
func (e Entry) FromDNS() bool { return e.kind != static }

// IsName reports whether the entry is a name that is looked up.
func (e Entry) IsName() bool { return e.name != "" }

// HasName reports whether a name is looked up for the entry, for its Check included.
func (e Entry) HasName() bool { return len(e.lookups()) > 0 }

// ParseEntry reads one entry of a backend list: what ParseSpec reads, or a name with
// the options of its backends:
//
//	dns://web:80;max_conns=10
//	srv://_postgresql._tcp.db.example
//
// The error states what was expected, and does not repeat s.
func ParseEntry(s string) (Entry, error) {
	addr, options, _ := strings.Cut(s, ";")
	addr = strings.TrimSpace(addr)
	scheme, rest, _ := strings.Cut(addr, "://")
	var e Entry
	var err error
	switch scheme {
	case "dns":
		e.kind = host
		e.name, e.port, err = parseHost(rest)
		rest = net.JoinHostPort(e.name, e.port)
	case "srv":
		rest = strings.ToLower(rest)
		e.kind, e.name = service, rest
		err = checkService(rest)
	default:
		e.Spec, err = ParseSpec(s)
		e.name, e.port = hostName(e.Spec.Addr)
		return e, err
	}
	e.Spec.Addr = scheme + "://" + rest
	if err = joinFaults(err, e.Spec.setOptions(options)); err != nil {
		return Entry{}, err
	}
	if e.Spec.Check.host() {
		return Entry{}, fmt.Errorf("option check=%s: each address of the name is a backend, expected check=PORT", e.Spec.Check)
	}
	return e, nil
}

// lookups returns what is looked up for the entry: itself, and the name in its Check.
func (e Entry) lookups() (all []Entry) {
	if e.IsName() {
		all = append(all, e)
	}
	if c := e.check(); c.IsName() {
		all = append(all, c)
	}
	return all
}

// check returns a backend at the address in the entry's Check. It is no name if there is
// none in it.
func (e Entry) check() Entry {
	c := Entry{Spec: Spec{Addr: string(e.Spec.Check)}}
	c.name, c.port = hostName(c.Spec.Addr)
	return c
}

// hostName returns the host name and the port in an address, or nothing if it has none.
func hostName(addr string) (name, port string) {
	network, addr := SplitAddr(addr)
	name, port, err := net.SplitHostPort(addr)
	if _, ip := netip.ParseAddr(name); network == "unix" || err != nil || ip == nil {
		return "", ""
	}
	return name, port
}

func parseHost(s string) (name, port string, err error) {
	addr, _, err := parseAddr(s)
	if network, _ := SplitAddr(addr); err != nil || network == "unix" || strings.Contains(s, "://") {
		return "", "", fmt.Errorf("expected dns://name:port, with a port from 1 to 65535")
	}
	return net.SplitHostPort(addr)
}

func checkService(name string) error {
	if CheckHost(name) != nil {
		return fmt.Errorf("expected srv://_service._proto.name, without a port")
	}
	return nil
}

// String returns the entry of a backend list that ParseEntry reads.
func (e Entry) String() string {
	if e.FromDNS() && e.Spec.Weight == 1 {
		return e.Spec.String() + ";weight=1" // it takes precedence over an SRV record's
	}
	return e.Spec.String()
}

// backend returns the spec of a backend that DNS returned for a host: an address, and
// what an SRV record has besides.
func (e Entry) backend(addr, host string, weight int, backup bool) Spec {
	s := e.Spec
	s.Addr, s.Host, s.Backup = addr, host, s.Backup || backup
	if s.Weight == 0 {
		s.Weight = weight
	}
	return s
}
