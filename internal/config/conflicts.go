package config

import (
	"fmt"
	"slices"

	"fourseven/health"
)

// conflicts returns the faults that involve more than one setting. A setting that has a
// fault of its own is at its zero value here.
func (c *Config) conflicts() (errs []error) {
	for _, s := range c.Services {
		if s.L4Listen.Off() && s.L7Listen.Off() {
			errs = append(errs, s.nowhere())
		}
	}
	if len(errs) > 0 {
		return errs
	}
	for _, s := range c.Services {
		errs = slices.Concat(errs, s.probeConflicts(), s.roleConflicts(), s.listenerTLSConflicts(), s.backendTLSConflicts())
	}
	errs = slices.Concat(errs, c.listenConflicts(), c.sharedConflicts(), c.handoverConflicts())
	all := c.listeners()
	for _, s := range c.Services {
		errs = append(errs, ownBackends(all, s.Variable("LB_BACKENDS"), s.Backends)...)
	}
	return errs
}

// nowhere returns a fault if the service has no listener.
func (s *Service) nowhere() error {
	l4, l7 := s.Variable("LB_L4_LISTEN"), s.Variable("LB_L7_LISTEN")
	if s.Name != "" && s.source("LB_L4_LISTEN").IsDefault() && s.source("LB_L7_LISTEN").IsDefault() {
		return fmt.Errorf("%s, %s: neither is set, expected at least one of them to be on", l4, l7)
	}
	return fmt.Errorf("%s=%q, %s=%q: expected at least one of them to be on", l4, s.L4Listen, l7, s.L7Listen)
}

// listenConflicts returns the faults of listeners that cannot listen beside an
// earlier one.
func (c *Config) listenConflicts() (errs []error) {
	all := c.listeners()
	for i, l := range all {
		for _, earlier := range all[:i] {
			if earlier.collides(l) && !earlier.sharedWith(l) {
				errs = append(errs, fmt.Errorf("%s=%q: %s=%q has that address, expected another one", l.variable, l.addr, earlier.variable, earlier.addr))
				break
			}
		}
	}
	return errs
}

// probeConflicts returns the faults of settings that only a tcp probe uses. An inherited
// one is no fault: it has no effect where the service's own kind of probe is http.
func (s *Service) probeConflicts() (errs []error) {
	if kind := s.ProbeKind(); kind != "http" && kind != "off" {
		return nil
	}
	for _, one := range serviceSettings() {
		text, ok := one.value(s).Interface().(Payload)
		if !ok || text == "" || s.inherits(one.name) && !s.inherits("LB_HEALTH_CHECK") {
			continue
		}
		name := s.Variable(one.name)
		if !one.hidden(s) {
			name += fmt.Sprintf("=%q", text.String())
		}
		errs = append(errs, fmt.Errorf("%s: only a tcp probe uses it, expected %s to be auto or tcp", name, s.Variable("LB_HEALTH_CHECK")))
	}
	return errs
}

// handoverConflicts returns the faults of listeners that LB_REUSE_PORT=on cannot share.
func (c *Config) handoverConflicts() (errs []error) {
	if !c.ReusePort {
		return nil
	}
	for _, l := range c.listeners() {
		if network, _ := health.SplitAddr(string(l.addr)); network == "unix" {
			errs = append(errs, fmt.Errorf("%s=%q: LB_REUSE_PORT=on shares TCP addresses alone, expected host:port", l.variable, l.addr))
		}
	}
	return errs
}
