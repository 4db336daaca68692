package config

import (
	"fmt"
	"slices"
	"time"

	"fourseven/health"
)

// ProbeKind returns the kind of probe that LB_HEALTH_CHECK means: http, tcp or off, or
// auto where auto stays a lenient http probe.
func (s *Service) ProbeKind() string {
	switch {
	case s.HealthCheck != "auto":
		return s.HealthCheck
	case s.L7Listen.Off(), s.HealthSend != "", s.HealthExpect != "":
		return "tcp"
	case slices.ContainsFunc(serviceSettings(), func(one setting) bool { return onlyHTTP(one.name) && !s.source(one.name).IsDefault() }),
		s.HealthMatch.Regexp() != nil:
		return "http"
	}
	return "auto"
}

// onlyHTTP reports whether only an http probe uses the setting.
func onlyHTTP(name string) bool {
	switch name {
	case "LB_HEALTH_PATH", "LB_HEALTH_STATUS", "LB_HEALTH_METHOD", "LB_HEALTH_HOST", "LB_HEALTH_HEADERS", "LB_HEALTH_STANDBY_STATUS":
		return true
	}
	return false
}

// onlyTCP reports whether only a tcp probe uses the setting.
func onlyTCP(name string) bool { return name == "LB_HEALTH_SEND" || name == "LB_HEALTH_EXPECT" }

// ProbeProxy returns the PROXY header that LB_HEALTH_PROXY means: v1, v2 or off. With
// auto it is the header that the traffic to the probed port begins with; only L4's
// has one.
func (s *Service) ProbeProxy() string {
	switch {
	case s.HealthProxy != "auto":
		return s.HealthProxy
	case s.HealthPort != 0 || s.L4Listen.Off():
		return "off"
	}
	return s.ProxyProtocolSend
}

// Warning is about a setting that is valid, but may not do what was intended.
type Warning struct{ Name, Text string }

// Warnings returns the settings that may not be intended, each with its effect.
func (c *Config) Warnings() []Warning {
	var all []Warning
	for _, s := range c.Services {
		for _, w := range s.warnings() {
			if !slices.Contains(all, w) { // inherited
				all = append(all, w)
			}
		}
	}
	return all
}

func (s *Service) warnings() []Warning {
	return slices.Concat(s.listenerTLSWarnings(), s.backendTLSWarnings(), s.probeWarnings())
}

func (s *Service) probeWarnings() []Warning {
	if s.ProbeKind() == "off" {
		return s.unprobedSingle()
	}
	if s.HealthTimeout <= s.HealthInterval {
		return nil
	}
	fast := min(s.HealthFastInterval, s.HealthInterval)
	slowest := s.HealthInterval + s.HealthTimeout*time.Duration(s.HealthFall) + fast*time.Duration(s.HealthFall-1)
	timeout := s.variableBeside("LB_HEALTH_TIMEOUT", "LB_HEALTH_INTERVAL")
	interval := s.variableBeside("LB_HEALTH_INTERVAL", "LB_HEALTH_TIMEOUT")
	return []Warning{{timeout, fmt.Sprintf("%s is above %s=%s: probes of a backend do not overlap, so the next one waits for the timeout, and a backend that does not respond is up for as long as %s",
		s.HealthTimeout, interval, s.HealthInterval, slowest)}}
}

func (s *Service) unprobedSingle() []Warning {
	if s.Balance != health.Single {
		return nil
	}
	return []Warning{{s.Variable("LB_BALANCE"), "single: without probes no backend is ever down, so the first in the list keeps all connections"}}
}
