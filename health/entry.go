package health

import (
	"fmt"
	"net"
	"strings"
)

// Entry is one entry of a backend list: a backend, or a name that backends are
// found by.
type Entry struct {
	// Backend is the entry's backend. Where backends are found it is their pattern:
	// its Addr is the name with its scheme, and its options are theirs. A pattern's
	// Weight is 0 if the entry does not say.
	Backend *Backend

	kind entryKind
	name string // the host or the service
	port string // of a host
}

type entryKind uint8

const (
	static  entryKind = iota
	host              // dns://: addresses of a host
	service           // srv://: hosts and ports of a service (RFC 2782)
)

// Found reports whether the entry stands for backends that are found.
func (e Entry) Found() bool { return e.kind != static }

// ParseEntry reads one entry of a backend list: what ParseBackend reads, or a name
// with the options of those found by it:
//
//	dns://web:80;max_conns=10
//	srv://_postgresql._tcp.db.example
//
// The error says what was expected, and does not repeat s.
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
		e.Backend, err = ParseBackend(s)
		return e, err
	}
	if err != nil {
		return Entry{}, err
	}
	e.Backend = NewBackend(scheme + "://" + rest)
	e.Backend.Weight = 0
	return e, e.Backend.setOptions(options)
}

func parseHost(s string) (name, port string, err error) {
	addr, err := parseAddr(s)
	if network, _ := SplitAddr(addr); err != nil || network == "unix" || strings.Contains(s, "://") {
		return "", "", fmt.Errorf("expected dns://name:port, with a port from 1 to 65535")
	}
	return net.SplitHostPort(addr)
}

func checkService(name string) error {
	if name == "" || strings.ContainsAny(name, ":/@?# \t") {
		return fmt.Errorf("expected srv://_service._proto.name, without a port")
	}
	return nil
}

// String returns the entry of a backend list that ParseEntry reads.
func (e Entry) String() string {
	if e.Found() && e.Backend.Weight == 1 {
		return e.Backend.String() + ";weight=1" // it outweighs that of an SRV record
	}
	return e.Backend.String()
}

// at returns a backend that was found at an address, by the name of a host.
func (e Entry) at(addr, name string, weight int, backup bool) *Backend {
	b := NewBackend(addr)
	b.name = name
	b.Weight, b.MaxConns, b.Backup = max(e.Backend.Weight, 1), e.Backend.MaxConns, e.Backend.Backup || backup
	if e.Backend.Weight == 0 {
		b.Weight = weight
	}
	return b
}
