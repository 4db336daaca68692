package main

import (
	"slices"
	"strings"

	"fourseven/health"
)

// unused is a setting that was given and has no effect beside the others.
type unused struct{ name, why string }

// unusedSettings returns them: a setting is never ignored without a word.
func (c *config) unusedSettings() []unused {
	kind := c.probeKind()
	// A list in a file may have names in it after the next SIGHUP.
	found := slices.ContainsFunc(c.Backends, health.Entry.Found) || strings.HasPrefix(c.sources["LB_BACKENDS"], "file ")
	var all []unused
	for _, s := range settings() {
		if c.sources[s.name] == "" {
			continue
		}
		name, why := strings.TrimPrefix(s.name, envPrefix), ""
		switch {
		case kind == "off" && probes(name):
			why = "LB_HEALTH_CHECK is off"
		case kind != "http" && (name == "HEALTH_PATH" || name == "HEALTH_STATUS"):
			why = "only an http probe uses it, and probes are by tcp"
		case c.L7Listen.off() && strings.HasPrefix(name, "L7_") && name != "L7_LISTEN":
			why = "LB_L7_LISTEN is off"
		case c.L4Listen.off() && name == "PROXY_PROTOCOL_SEND":
			why = "only L4 sends PROXY headers, and LB_L4_LISTEN is off"
		case c.AdminListen.off() && name == "ADMIN_TOKEN":
			why = "LB_ADMIN_LISTEN is off"
		case !found && strings.HasPrefix(name, "DNS_"):
			why = "no dns:// or srv:// is among LB_BACKENDS"
		}
		if why != "" {
			all = append(all, unused{s.name, why})
		}
	}
	return all
}

// probes reports whether the setting is for backends that are probed.
func probes(name string) bool {
	return name == "SLOW_START" || strings.HasPrefix(name, "HEALTH_") && name != "HEALTH_CHECK" && name != "HEALTH_ON_DOWN"
}
