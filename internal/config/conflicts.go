package config

import (
	"errors"
	"fmt"
	"slices"

	"fourseven/health"
)

// conflicts returns the faults that take more than one setting. A setting that
// has a fault of its own is at its zero value here.
func (c *Config) conflicts() []error {
	if c.L4Listen.Off() && c.L7Listen.Off() {
		return []error{errors.New(`LB_L4_LISTEN="off", LB_L7_LISTEN="off": expected at least one of them to be on`)}
	}
	return slices.Concat(c.probeConflicts(), c.listenConflicts(), c.handoverConflicts(), c.ownBackends(c.Backends))
}

// listenConflicts returns the faults of listeners that cannot listen beside an
// earlier one.
func (c *Config) listenConflicts() (errs []error) {
	var earlier []setting
	for _, s := range settings() {
		addr, ok := s.value(c).Interface().(Address)
		if !ok {
			continue
		}
		for _, other := range earlier {
			if has := other.value(c).Interface().(Address); has.collides(addr) {
				errs = append(errs, fmt.Errorf("%s=%q: %s=%q has that address, expected another one", s.name, addr, other.name, has))
				break
			}
		}
		earlier = append(earlier, s)
	}
	return errs
}

// probeConflicts returns the faults of what only a tcp probe uses.
func (c *Config) probeConflicts() (errs []error) {
	if kind := c.ProbeKind(); kind != "http" && kind != "off" {
		return nil
	}
	for _, s := range settings() {
		text, ok := s.value(c).Interface().(Payload)
		if ok && text != "" {
			name := s.name
			if !s.hidden(c) {
				name += fmt.Sprintf("=%q", text.String())
			}
			errs = append(errs, fmt.Errorf("%s: only a tcp probe uses it, expected LB_HEALTH_CHECK to be auto or tcp", name))
		}
	}
	return errs
}

// handoverConflicts returns the faults of listeners that LB_REUSE_PORT=on cannot share.
func (c *Config) handoverConflicts() (errs []error) {
	if !c.ReusePort {
		return nil
	}
	for _, s := range settings() {
		addr, ok := s.value(c).Interface().(Address)
		if network, _ := health.SplitAddr(string(addr)); ok && network == "unix" {
			errs = append(errs, fmt.Errorf("%s=%q: LB_REUSE_PORT=on shares TCP addresses alone, expected host:port", s.name, addr))
		}
	}
	return errs
}
