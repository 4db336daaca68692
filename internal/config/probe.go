package config

import (
	"fmt"
	"slices"
	"time"
)

// ProbeKind returns the kind of probe that LB_HEALTH_CHECK means: http, tcp or off, or
// auto where auto stays a lenient http probe.
func (c *Config) ProbeKind() string {
	switch {
	case c.HealthCheck != "auto":
		return c.HealthCheck
	case c.L7Listen.Off(), c.HealthSend != "", c.HealthExpect != "":
		return "tcp"
	case slices.ContainsFunc(settings(), func(s setting) bool { return onlyHTTP(s.name) && !c.sources[s.name].IsDefault() }):
		return "http"
	}
	return "auto"
}

// onlyHTTP reports whether only an http probe uses the setting.
func onlyHTTP(name string) bool { return name == "LB_HEALTH_PATH" || name == "LB_HEALTH_STATUS" }

// ProbeProxy returns the PROXY header that LB_HEALTH_PROXY means: v1, v2 or off. With
// auto it is the header that the traffic to the probed port begins with; only L4's
// has one.
func (c *Config) ProbeProxy() string {
	switch {
	case c.HealthProxy != "auto":
		return c.HealthProxy
	case c.HealthPort != 0 || c.L4Listen.Off():
		return "off"
	}
	return c.ProxyProtocolSend
}

// Warning is about a setting that is allowed, and may not do what was meant.
type Warning struct{ Name, Text string }

// Warnings returns what may not be meant, with what happens.
func (c *Config) Warnings() []Warning {
	if c.ProbeKind() == "off" || c.HealthTimeout <= c.HealthInterval {
		return nil
	}
	fast := min(c.HealthFastInterval, c.HealthInterval)
	slowest := c.HealthInterval + c.HealthTimeout*time.Duration(c.HealthFall) + fast*time.Duration(c.HealthFall-1)
	return []Warning{{"LB_HEALTH_TIMEOUT", fmt.Sprintf("%s is above LB_HEALTH_INTERVAL=%s: probes of a backend do not overlap, so the next one waits for the timeout, and a backend that does not respond is up for as long as %s",
		c.HealthTimeout, c.HealthInterval, slowest)}}
}
