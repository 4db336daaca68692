package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"

	"fourseven/health"
)

// HostNames is a list of host names in lower case, some with *. in front.
type HostNames []string

// UnmarshalText reads names set off by commas, such as a.example.com,*.b.example.com.
func (n *HostNames) UnmarshalText(text []byte) error {
	return unmarshalOnce((*[]string)(n), text, parseHostName)
}

func (n HostNames) String() string { return strings.Join(n, ",") }

var errHostName = errors.New("expected a host name, or one with *. in front, without a port")

func parseHostName(entry string) (string, error) {
	name := strings.TrimSuffix(strings.ToLower(entry), ".")
	if bare, ok := strings.CutPrefix(name, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(bare, "]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return name, errHostName
		}
		return "[" + addr.String() + "]", nil
	}
	if health.CheckHost(strings.TrimPrefix(name, "*.")) != nil || strings.Contains(name, ":") {
		return name, errHostName
	}
	return name, nil
}

// ServerNames are host names that TLS clients can ask for.
type ServerNames HostNames

// UnmarshalText reads host names set off by commas.
func (n *ServerNames) UnmarshalText(text []byte) error {
	return unmarshalOnce((*[]string)(n), text, func(entry string) (string, error) {
		name, err := parseHostName(entry)
		if _, notName := netip.ParseAddr(strings.Trim(name, "[]")); err == nil && notName == nil {
			err = errors.New("expected a host name: TLS clients do not ask for addresses")
		}
		return name, err
	})
}

func (n ServerNames) String() string { return strings.Join(n, ",") }

// PathPrefixes is a list of paths that requests begin with.
type PathPrefixes []string

// UnmarshalText reads paths set off by commas.
func (p *PathPrefixes) UnmarshalText(text []byte) error {
	return unmarshalOnce((*[]string)(p), text, func(entry string) (string, error) {
		var path RequestPath
		if path.UnmarshalText([]byte(entry)) != nil || strings.Contains(entry, "?") {
			return entry, errors.New("expected a path that begins with /, without spaces, control characters, ? or #")
		}
		return entry, nil
	})
}

func (p PathPrefixes) String() string { return strings.Join(p, ",") }

// unmarshalOnce reads a list whose entries must differ. It takes each once, also if some
// are wrong: that the list is not empty matters beside other settings.
func unmarshalOnce(list *[]string, text []byte, parse func(string) (string, error)) error {
	all, err := parseList(text, parse)
	if len(all) == 0 && len(text) > 0 {
		return errUnexpected
	}
	errs := multierror.Append(nil, faults(err)...)
	*list = nil
	for _, one := range all {
		if slices.Contains(*list, one) {
			errs = multierror.Append(errs, fmt.Errorf("entry %q: expected each once", one))
			continue
		}
		*list = append(*list, one)
	}
	return errs.ErrorOrNil()
}
