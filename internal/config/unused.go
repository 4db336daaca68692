package config

import (
	"slices"
	"strings"

	"fourseven/health"
)

// Unused is a setting that was given and has no effect beside the others.
type Unused struct{ Name, Why string }

// Unused returns the settings that were given and have no effect beside the others: no
// setting is ignored silently. An inherited setting has to have an effect in one service
// only.
func (c *Config) Unused() []Unused {
	var all []Unused
	used := map[string]bool{} // variables that have an effect in a service
	for _, s := range c.Services {
		for _, one := range serviceSettings() {
			if s.source(one.name).IsDefault() {
				continue
			}
			if why := c.whyUnused(s, one.bare()); why != "" {
				all = append(all, Unused{s.Variable(one.name), why})
			} else {
				used[s.Variable(one.name)] = true
			}
		}
	}
	seen := map[string]bool{}
	all = slices.DeleteFunc(all, func(u Unused) bool {
		gone := used[u.Name] || seen[u.Name]
		seen[u.Name] = true
		return gone
	})
	if c.AdminListen.Off() && !c.source("LB_ADMIN_TOKEN").IsDefault() {
		all = append(all, Unused{"LB_ADMIN_TOKEN", "LB_ADMIN_LISTEN is off"})
	}
	if !c.source("LB_WATCH").IsDefault() && c.Watch > 0 && !slices.ContainsFunc(c.Services, (*Service).hasFiles) {
		all = append(all, Unused{"LB_WATCH", "no list of backends and no certificate is in a file"})
	}
	return all
}

// hasFiles reports whether some of the service's settings are in files that are read again.
func (s *Service) hasFiles() bool {
	return slices.ContainsFunc(serviceSettings(), func(one setting) bool {
		source := s.source(one.name)
		_, fromFile := source.File()
		switch {
		case one.name == "LB_TLS_DIR":
			return !source.IsDefault()
		case one.name == "LB_BACKENDS", strings.HasPrefix(one.name, "LB_TLS_"), strings.HasPrefix(one.name, "LB_BACKEND_TLS_"):
			return fromFile
		}
		return false
	})
}

// whyUnused returns why a setting that was given has no effect, or nothing if it has one.
func (c *Config) whyUnused(s *Service, name string) string {
	if name == "L4_HELLO_TIMEOUT" && !s.L4Listen.Off() && !c.waitsForHello(s) {
		return s.Variable("LB_SNI") + " is not set"
	}
	return s.whyUnused(name)
}

// waitsForHello reports whether the service's L4 listener chooses a service by name.
func (c *Config) waitsForHello(s *Service) bool {
	return slices.ContainsFunc(c.ServiceListeners(), func(l Listener) bool {
		return l.Frontend == "l4" && l.ByName() && slices.Contains(l.Services, s)
	})
}

// whyUnused is Config.whyUnused, as far as the service's own settings decide it.
func (s *Service) whyUnused(name string) string {
	kind := s.ProbeKind()
	switch {
	case kind == "off" && probes(name):
		return s.Variable("LB_HEALTH_CHECK") + " is off"
	case kind == "tcp" && onlyHTTP(envPrefix+name):
		return "only an http probe uses it, and probes are by tcp; " + s.Variable("LB_HEALTH_CHECK") + "=http changes that"
	case kind == "http" && onlyTCP(envPrefix+name):
		return "only a tcp probe uses it, and " + s.Variable("LB_HEALTH_CHECK") + " is http"
	case s.L7Listen.Off() && strings.HasPrefix(name, "L7_") && name != "L7_LISTEN":
		return s.Variable("LB_L7_LISTEN") + " is off"
	case s.L7Listen.Off() && (name == "HOSTS" || name == "PATHS"):
		return s.Variable("LB_L7_LISTEN") + " is off"
	case s.L4Listen.Off() && (name == "SNI" || name == "L4_HELLO_TIMEOUT"):
		return s.Variable("LB_L4_LISTEN") + " is off"
	case s.L4Listen.Off() && name == "PROXY_PROTOCOL_SEND":
		return "only L4 sends PROXY headers, and " + s.Variable("LB_L4_LISTEN") + " is off"
	case !s.hasNames() && strings.HasPrefix(name, "DNS_"):
		return s.Variable("LB_BACKENDS") + " has addresses alone, and no names"
	}
	if why := s.whyListenerTLSUnused(name); why != "" {
		return why
	}
	return s.whyBackendTLSUnused(name)
}

// hasNames reports whether there are names among the backends, or there may be after the
// next SIGHUP.
func (s *Service) hasNames() bool {
	_, _, fromFile := s.BackendsFile()
	return fromFile || slices.ContainsFunc(s.Backends, health.Entry.HasName)
}

// probes reports whether the setting is for backends that are probed.
func probes(name string) bool {
	return name == "SLOW_START" || strings.HasPrefix(name, "HEALTH_") && name != "HEALTH_CHECK" && name != "HEALTH_ON_DOWN"
}
