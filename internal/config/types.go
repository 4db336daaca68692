package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-multierror"

	"fourseven/health"
)

// The types of settings that are more than a word, a number or a duration. Each reads its
// own text and prints itself in the same form. The error of a list is a *multierror.Error
// with the fault of each entry; that of any other type is errUnexpected, because
// setting.kind describes what was expected.
var errUnexpected = errors.New("not what the setting takes")

// Backends is a list of backends, each with an address of its own, and of DNS names
// that backends are found by.
type Backends []health.Entry

// UnmarshalText reads backends set off by commas.
func (b *Backends) UnmarshalText(text []byte) error {
	list, err := parseList(text, health.ParseEntry)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errUnexpected
	}
	errs := &multierror.Error{}
	for i, one := range list {
		addr := one.Spec.Addr
		twin := func(other health.Entry) bool { return other.Spec.Addr == addr }
		if slices.ContainsFunc(list[:i], twin) {
			errs = multierror.Append(errs, fmt.Errorf("entry %q: expected each backend once", addr))
		}
	}
	*b = list
	return errs.ErrorOrNil()
}

func (b Backends) String() string {
	var entries []string
	for _, one := range b {
		entries = append(entries, one.String())
	}
	return strings.Join(entries, ",")
}

// Fixed returns the backends that are not found by DNS.
func (b Backends) Fixed() []*health.Backend {
	var all []*health.Backend
	for _, one := range b {
		if !one.FromDNS() {
			all = append(all, one.Spec.Backend())
		}
	}
	return all
}

// DNSServer is the server to ask, as host:port; empty for the system's.
type DNSServer string

// UnmarshalText reads a host, with a port or without.
func (s *DNSServer) UnmarshalText(text []byte) error {
	host := string(text)
	if _, err := netip.ParseAddr(host); err == nil || host != "" && !strings.Contains(host, ":") {
		host = net.JoinHostPort(host, "53")
	}
	b, err := health.ParseSpec(host)
	if network, _ := health.SplitAddr(host); err != nil || network == "unix" || strings.ContainsAny(host, ";/") {
		return errUnexpected
	}
	*s = DNSServer(b.Addr)
	return nil
}

// RequestPath is the target of an HTTP request: a path, perhaps with a query.
type RequestPath string

// UnmarshalText accepts what may be in a request line as it is.
func (p *RequestPath) UnmarshalText(text []byte) error {
	*p = RequestPath(text)
	foreign := func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }
	if _, err := url.ParseRequestURI(string(text)); err != nil || text[0] != '/' || strings.ContainsFunc(string(text), foreign) {
		return errUnexpected
	}
	return nil
}

// StatusSet is a set of HTTP statuses, as ranges.
type StatusSet []statusRange

type statusRange struct{ low, high int }

// Contains reports whether the status is in the set.
func (s StatusSet) Contains(status int) bool {
	return slices.ContainsFunc(s, func(r statusRange) bool { return r.low <= status && status <= r.high })
}

// UnmarshalText reads statuses and ranges of them, such as 200-299,304.
func (s *StatusSet) UnmarshalText(text []byte) error {
	list, err := parseList(text, parseStatusRange)
	if err != nil {
		return err
	}
	if len(list) == 0 && len(text) > 0 {
		return errUnexpected
	}
	*s = list
	return nil
}

func parseStatusRange(s string) (statusRange, error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	low, errLow := strconv.Atoi(strings.TrimSpace(first))
	high, errHigh := strconv.Atoi(strings.TrimSpace(last))
	if errLow != nil || errHigh != nil || low < 100 || high > 599 || low > high {
		return statusRange{}, errors.New("expected a status from 100 to 599, or a range such as 200-299")
	}
	return statusRange{low, high}, nil
}

func (s StatusSet) String() string {
	var entries []string
	for _, r := range s {
		entry := strconv.Itoa(r.low)
		if r.high != r.low {
			entry += "-" + strconv.Itoa(r.high)
		}
		entries = append(entries, entry)
	}
	return strings.Join(entries, ",")
}

// Prefixes is a list of networks.
type Prefixes []netip.Prefix

// UnmarshalText reads CIDRs and bare addresses set off by commas.
func (p *Prefixes) UnmarshalText(text []byte) (err error) {
	*p, err = parseList(text, parsePrefix)
	if err == nil && len(*p) == 0 && len(text) > 0 {
		return errUnexpected // "," must not mean every client
	}
	return err
}

func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil || prefix.Addr().Is4In6() { // no IPv4 address would be in it
		return netip.Prefix{}, errors.New("expected an address or a CIDR such as 10.0.0.0/8")
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("expected a CIDR without host bits, such as %s", prefix.Masked())
	}
	return prefix, nil
}

func (p Prefixes) String() string {
	var entries []string
	for _, prefix := range p {
		entries = append(entries, prefix.String())
	}
	return strings.Join(entries, ",")
}

// Size is a number of bytes.
type Size int64

// units from the largest, so that a size prints in the largest that divides it.
var units = [...]struct {
	suffix string
	bytes  Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

// UnmarshalText reads a whole number of bytes, KiB, MiB or GiB.
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range units {
		digits, ok := strings.CutSuffix(string(text), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/int64(u.bytes) {
			return errUnexpected
		}
		*s = Size(n) * u.bytes
		return nil
	}
	return errUnexpected
}

func (s Size) String() string {
	for _, u := range units {
		if s%u.bytes == 0 && s != 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.suffix
		}
	}
	return "0"
}

// parseList parses the entries of a comma-separated list. Spaces around entries and empty
// entries, as after a last comma, are ignored.
func parseList[T any](text []byte, parse func(string) (T, error)) ([]T, error) {
	var list []T
	errs := &multierror.Error{}
	for entry := range strings.SplitSeq(string(text), ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		one, err := parse(entry)
		for _, fault := range faults(err) {
			errs = multierror.Append(errs, fmt.Errorf("entry %q: %w", entry, fault))
		}
		list = append(list, one)
	}
	return list, errs.ErrorOrNil()
}

// faults returns the errors that an error holds.
func faults(err error) []error {
	var several *multierror.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &several):
		return several.Errors
	}
	return []error{err}
}

// Token is a secret that never prints itself.
type Token string

// UnmarshalText reads what can follow "Bearer" (RFC 6750, section 2.1).
func (t *Token) UnmarshalText(text []byte) error {
	for _, c := range text {
		if c <= ' ' || c > '~' {
			return errUnexpected
		}
	}
	*t = Token(text)
	return nil
}

func (t Token) String() string {
	if t == "" {
		return ""
	}
	return "(secret)"
}
