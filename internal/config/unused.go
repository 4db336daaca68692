package config

import (
	"slices"
	"strings"

	"fourseven/health"
)

// Unused is a setting that was given and has no effect beside the others.
type Unused struct{ Name, Why string }

// Unused returns the settings that were given and have no effect beside the others:
// no setting is ignored silently.
func (c *Config) Unused() []Unused {
	kind := c.ProbeKind()
	// A list in a file may have names in it after the next SIGHUP.
	_, fromFile := c.BackendsFile()
	names := fromFile || slices.ContainsFunc(c.Backends, health.Entry.IsName)
	var all []Unused
	for _, s := range settings() {
		if c.sources[s.name].IsDefault() {
			continue
		}
		name, why := strings.TrimPrefix(s.name, envPrefix), ""
		switch {
		case kind == "off" && probes(name):
			why = "LB_HEALTH_CHECK is off"
		case kind == "tcp" && onlyHTTP(s.name):
			why = "only an http probe uses it, and probes are by tcp; LB_HEALTH_CHECK=http changes that"
		case c.L7Listen.Off() && strings.HasPrefix(name, "L7_") && name != "L7_LISTEN":
			why = "LB_L7_LISTEN is off"
		case c.L4Listen.Off() && name == "PROXY_PROTOCOL_SEND":
			why = "only L4 sends PROXY headers, and LB_L4_LISTEN is off"
		case c.AdminListen.Off() && name == "ADMIN_TOKEN":
			why = "LB_ADMIN_LISTEN is off"
		case !names && strings.HasPrefix(name, "DNS_"):
			why = "LB_BACKENDS has addresses alone, and no names"
		}
		if why != "" {
			all = append(all, Unused{s.name, why})
		}
	}
	return all
}

// probes reports whether the setting is for backends that are probed.
func probes(name string) bool {
	return name == "SLOW_START" || strings.HasPrefix(name, "HEALTH_") && name != "HEALTH_CHECK" && name != "HEALTH_ON_DOWN"
}
