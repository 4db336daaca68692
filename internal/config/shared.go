package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Listener is a listener in the settings of services.
type Listener struct {
	Frontend string // l4 or l7
	Variable string // that asks for it, of the first service
	Addr     Address
	// Services share it, in the order of LB_SERVICES. There is at least one.
	Services []*Service
}

// ServiceListeners returns the listeners of the services that are on. Services whose
// listeners for the same frontend have the same address share one.
func (c *Config) ServiceListeners() (all []Listener) {
	for _, s := range c.Services {
		for _, l := range s.listeners() {
			i := slices.IndexFunc(all, func(earlier Listener) bool { return earlier.sharedBy(l) })
			if i < 0 {
				all = append(all, Listener{Frontend: l.frontend, Variable: l.variable, Addr: l.addr})
				i = len(all) - 1
			}
			all[i].Services = append(all[i].Services, s)
		}
	}
	return all
}

func (l Listener) sharedBy(other listener) bool {
	return newListener(l.Frontend, l.Variable, l.Addr).sharedWith(other)
}

// ByName reports whether the service for a connection or request is chosen by a name or
// path that the client asks for.
func (l Listener) ByName() bool { return slices.ContainsFunc(l.Services, l.Named) }

// Named reports whether a service of the listener gets only certain names or paths.
func (l Listener) Named(s *Service) bool {
	if l.Frontend == "l4" {
		return len(s.SNI) > 0
	}
	return len(s.Hosts)+len(s.Paths) > 0
}

// namedBy returns the settings by which services share the listener.
func (l Listener) namedBy() []string {
	if l.Frontend == "l4" {
		return []string{"LB_SNI"}
	}
	return []string{"LB_HOSTS", "LB_PATHS"}
}

// sharedConflicts returns the faults of services that share a listener and cannot.
func (c *Config) sharedConflicts() (errs []error) {
	for _, l := range c.ServiceListeners() {
		errs = slices.Concat(errs, l.defaultConflicts(), l.nameConflicts(), l.beforeConflicts())
	}
	return errs
}

// defaultConflicts returns the faults of a listener with several services without names:
// only one can get the rest.
func (l Listener) defaultConflicts() (errs []error) {
	var first *Service
	for _, s := range l.Services {
		switch {
		case l.Named(s):
		case first == nil:
			first = s
		default:
			setting := "LB_" + strings.ToUpper(l.Frontend) + "_LISTEN"
			errs = append(errs, fmt.Errorf("%s=%q: %s has that address too, expected another one, or %s to share it by name",
				s.Variable(setting), l.Addr, first.Variable(setting), l.missing(first, s)))
		}
	}
	return errs
}

// missing names the variables that would distinguish two services.
func (l Listener) missing(a, b *Service) string {
	var names []string
	for _, setting := range l.namedBy() {
		names = append(names, a.own(setting), b.own(setting))
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Claim selects connections or requests of a listener for a service: by host, and by a path
// that begins with Path. An empty Host or Path matches all.
type Claim struct{ Host, Path string }

// Claims returns the claims of a service of the listener; none if it gets the rest.
func (l Listener) Claims(s *Service) (all []Claim) {
	if !l.Named(s) {
		return nil
	}
	hosts, paths := []string(s.SNI), []string{""}
	if l.Frontend == "l7" {
		hosts, paths = s.Hosts, s.Paths
	}
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	if len(paths) == 0 {
		paths = []string{""}
	}
	for _, host := range hosts {
		for _, path := range paths {
			all = append(all, Claim{host, path})
		}
	}
	return all
}

// nameConflicts returns a fault for each name that two services claim.
func (l Listener) nameConflicts() (errs []error) {
	owners := map[Claim]*Service{}
	for _, s := range l.Services {
		for _, one := range l.Claims(s) {
			if one.Path == "/" {
				one.Path = "" // it has every path, too
			}
			owner := owners[one]
			if owner == nil {
				owners[one] = s
				continue
			}
			errs = append(errs, one.conflict(l.namedBy(), owner, s))
		}
	}
	return errs
}

func (c Claim) conflict(settings []string, owner, s *Service) error {
	switch {
	case len(settings) == 1:
		return fmt.Errorf("%s: entry %q: %s has it too, expected each name in one service", s.Variable(settings[0]), c.Host, owner.Variable(settings[0]))
	case c.Host == "":
		return fmt.Errorf("%s: entry %q: %s has it too, expected each path in one service", s.Variable("LB_PATHS"), cmp.Or(c.Path, "/"), owner.Variable("LB_PATHS"))
	}
	return fmt.Errorf("%s: entry %q: %s has it too, for the path %q, expected each host and path in one service",
		s.Variable("LB_HOSTS"), c.Host, owner.Variable("LB_HOSTS"), cmp.Or(c.Path, "/"))
}

// beforeConflicts returns a fault for each setting that acts before a service is chosen
// and is not the same in all of them.
func (l Listener) beforeConflicts() (errs []error) {
	first := l.Services[0]
	for _, one := range serviceSettings() {
		if !l.actsBefore(one.name) || l.ofTLS(one.name) && l.plain() {
			continue
		}
		for _, s := range l.Services[1:] {
			if one.same(s, first) {
				continue
			}
			value, want := one.format(s), one.format(first)
			errs = append(errs, fmt.Errorf("%s=%q: %s=%q, and both services share the listener %s, where it acts before one is chosen; expected the same in both",
				s.Variable(one.name), shown(one, s, value), first.Variable(one.name), shown(one, first, want), l.Addr))
		}
	}
	return errs
}

// actsBefore reports whether a setting acts on a connection, or on a request, before the
// service for it is chosen.
func (l Listener) actsBefore(setting string) bool {
	switch setting {
	case "LB_ALLOW", "LB_DENY", "LB_MAX_CONNS_PER_IP", "LB_PROXY_PROTOCOL_FROM":
		return true
	case "LB_L4_HELLO_TIMEOUT":
		return l.Frontend == "l4"
	case "LB_L7_HEADER_TIMEOUT", "LB_L7_IDLE_TIMEOUT", "LB_L7_MAX_HEADER":
		return l.Frontend == "l7"
	}
	return setting == l.tls() || l.ofTLS(setting)
}

// tls returns the setting that ends TLS at the listener.
func (l Listener) tls() string { return "LB_" + strings.ToUpper(l.Frontend) + "_TLS" }

// ofTLS reports whether a setting is for a listener that ends TLS.
func (l Listener) ofTLS(setting string) bool {
	return strings.HasPrefix(setting, "LB_TLS_") || l.Frontend == "l4" && setting == "LB_L4_TLS_ALPN"
}

// plain reports whether the listener does not end TLS.
func (l Listener) plain() bool {
	first := l.Services[0]
	return l.Frontend == "l4" && first.L4TLS == "off" || l.Frontend == "l7" && !bool(first.L7TLS)
}
