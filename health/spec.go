package health

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// MaxWeight is the largest weight of a backend: the ring holds a slot per unit
// of weight, so it bounds the ring's size.
const MaxWeight = 256

// Spec is the address and the options of one backend in a list. It is a value: when
// its options change, a Backend gets another Spec.
type Spec struct {
	// Addr is what to dial, as host:port or unix:/path. It names the backend in
	// logs, metrics and responses, and is unique in a Pool.
	Addr string
	// Weight is the backend's share of the turns, 1 to MaxWeight. Zero means 1.
	Weight int
	// MaxConns is how many connections and requests the backend may have at once;
	// turns beyond go to others. Zero is no limit.
	MaxConns int64
	// Backup keeps the backend from taking traffic while one that is no backup is up.
	Backup bool
	// TLS is whether the backend's entry demands TLS.
	TLS TLS
	// Check is where the backend is probed, if not at its own address or at Via.Port.
	Check Check
	// Host is the name under which DNS returned Addr, for the server name of TLS. It
	// is empty if Addr is as the list has it.
	Host string

	// addrs are the addresses of the host name in Addr, with the port; empty while it has
	// none. It is nil if no Discoverer looks a name up, and Addr is dialled as it is.
	addrs []string
	// checkAddrs are the same for a host name in Check.
	checkAddrs []string
}

// ServerName returns the name that the backend's certificate is to have: the one that DNS
// returned its address for, or else the host, which may be an IP address. It is empty for
// a Unix socket.
func (s Spec) ServerName() string {
	if s.Host != "" {
		return s.Host
	}
	network, addr := SplitAddr(s.Addr)
	if network == "unix" {
		return ""
	}
	host, _, _ := net.SplitHostPort(addr)
	return host
}

// dialled returns the addresses that are dialled, in this order.
func (s Spec) dialled() []string {
	if s.addrs != nil {
		return s.addrs
	}
	_, addr := SplitAddr(s.Addr)
	return []string{addr}
}

// TLS is whether a backend's entry demands that connections to it use TLS.
type TLS uint8

// What an entry may demand. By default the settings decide.
const (
	TLSDefault TLS = iota
	TLSOff         // http:// or tcp:// is in front
	TLSOn          // https:// or tls:// is in front
)

// ParseSpec reads one entry of a backend list: host:port, with http://, https://, tcp://
// or tls:// in front accepted, or unix:/path, followed by options set off by semicolons:
//
//	db1:5432;weight=3;max_conns=100;check=8008;backup
//	https://api:8443
//
// The error states what was expected, and does not repeat s. If several things are wrong
// it is a *multierror.Error of them.
func ParseSpec(s string) (Spec, error) {
	addr, options, _ := strings.Cut(s, ";")
	spec := Spec{Weight: 1}
	var err error
	spec.Addr, spec.TLS, err = parseAddr(strings.TrimSpace(addr))
	if err = joinFaults(err, spec.setOptions(options)); err != nil {
		return Spec{}, err
	}
	if network, _ := SplitAddr(spec.Addr); network == "unix" && spec.Check != "" && !spec.Check.host() {
		return Spec{}, fmt.Errorf("option check=%s: a Unix socket has no host, expected check=host:port", spec.Check)
	}
	return spec, nil
}

// joinFaults returns nil, the one error that is not nil, or a *multierror.Error.
func joinFaults(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 1 {
		return errs[0]
	}
	joined := multierror.Append(&multierror.Error{ErrorFormat: inOneLine}, errs...)
	return joined.ErrorOrNil()
}

func inOneLine(errs []error) string {
	var texts []string
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, "; ")
}

// Backend returns a new backend with these options.
func (s Spec) Backend() *Backend {
	b := &Backend{Addr: s.Addr, id: hashString(s.Addr), suspectc: make(chan struct{}, 1)}
	b.setSpec(s)
	b.status.Store(&Status{})
	return b
}

// setOptions sets all options that are valid, and returns the faults of the others.
func (s *Spec) setOptions(options string) error {
	var errs []error
	for option := range strings.SplitSeq(options, ";") {
		errs = append(errs, s.setOption(strings.TrimSpace(option)))
	}
	return joinFaults(errs...)
}

func (s *Spec) setOption(option string) error {
	name, value, _ := strings.Cut(option, "=")
	switch name {
	case "":
		return nil
	case "backup":
		if option != name {
			return fmt.Errorf("option %s: expected backup without a value", option)
		}
		s.Backup = true
		return nil
	case "weight":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > MaxWeight {
			return fmt.Errorf("option weight=%s: expected a whole number from 1 to %d", value, MaxWeight)
		}
		s.Weight = n
		return nil
	case "max_conns":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 1 {
			return fmt.Errorf("option max_conns=%s: expected a whole number from 1", value)
		}
		s.MaxConns = n
		return nil
	case "check":
		check, err := parseCheck(value)
		s.Check = check
		return err
	}
	return fmt.Errorf("unknown option %q, expected weight=N, max_conns=N, check=PORT or backup", name)
}

// String returns the entry of a backend list that ParseSpec reads.
func (s Spec) String() string {
	text := s.Addr
	if s.TLS == TLSOn {
		text = "tls://" + text
	}
	if s.Weight > 1 {
		text += fmt.Sprintf(";weight=%d", s.Weight)
	}
	if s.MaxConns != 0 {
		text += fmt.Sprintf(";max_conns=%d", s.MaxConns)
	}
	if s.Check != "" {
		text += ";check=" + string(s.Check)
	}
	if s.Backup {
		text += ";backup"
	}
	return text
}
