package config

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// ServiceNames are the names of services. They print themselves as they are set.
type ServiceNames struct {
	// Valid are the names that can be used. Invalid are the others: their variables are
	// not reported as unknown as well.
	Valid, Invalid []string
}

// UnmarshalText reads names set off by commas. It keeps the valid names even if others are
// not valid.
func (n *ServiceNames) UnmarshalText(text []byte) error {
	errs := &multierror.Error{}
	all, _ := parseList(text, func(entry string) (string, error) { return entry, nil })
	for i, name := range all {
		fault := checkServiceName(name)
		if fault == nil && slices.Contains(all[:i], name) {
			errs = multierror.Append(errs, fmt.Errorf("entry %q: expected each name once", name))
			continue
		}
		if fault != nil {
			errs = multierror.Append(errs, fmt.Errorf("entry %q: %w", name, fault))
			n.Invalid = append(n.Invalid, name)
			continue
		}
		n.Valid = append(n.Valid, name)
	}
	if len(all) == 0 && len(text) > 0 {
		return errUnexpected
	}
	return errs.ErrorOrNil()
}

func (n ServiceNames) String() string { return strings.Join(n.Valid, ",") }

var serviceName = regexp.MustCompile(`^[a-z][a-z0-9]{0,30}$`)

// checkServiceName returns what is wrong with the name of a service.
func checkServiceName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case slices.Contains(reservedNames, lower):
		return fmt.Errorf("variables such as LB_%s_... are settings already, expected another name", strings.ToUpper(name))
	case serviceName.MatchString(name):
		return nil
	case serviceName.MatchString(lower):
		return fmt.Errorf("expected lower-case letters and digits; did you mean %s?", lower)
	}
	return errors.New("expected a lower-case letter, and up to 30 lower-case letters and digits after it")
}

// reservedNames are the first words of the settings, and of those that are to come: as
// the name of a service, they would give a variable two meanings.
var reservedNames = []string{
	"access", "admin", "allow", "backends", "balance", "connect", "deny", "dns", "drain", "health", "l4", "l7", "log", "max",
	"proxy", "retries", "reuse", "services", "shutdown", "slow",
	"backend", "conn", "hosts", "paths", "queue", "sni", "tls", "watch",
}

// loadNamed reads the settings of the services that LB_SERVICES names.
func (c *Config) loadNamed(vars *variables) []error {
	errs := c.loadInherited(vars)
	for _, name := range c.Names.Valid {
		s := &Service{Name: name}
		c.Services = append(c.Services, s)
		l := newLoader(vars, s, &s.origins, servicePrefix(name))
		errs = append(errs, l.load(context.Background(), serviceSettings())...)
	}
	return errs
}

// servicePrefix returns the prefix of a service's variables.
func servicePrefix(name string) string { return envPrefix + strings.ToUpper(name) + "_" }

// loadInherited returns the faults of the values for all services, even of those that each
// service overrides.
func (c *Config) loadInherited(vars *variables) (errs []error) {
	var inherited []setting
	for _, s := range serviceSettings() {
		_, alone := s.alone()
		switch {
		case !alone && vars.has(s.name):
			inherited = append(inherited, s)
		case alone && vars.has(s.name) && !contains(processSettings(), s.name):
			errs = append(errs, c.notInherited(vars, s))
		}
	}
	all := &Service{}
	return append(errs, newLoader(vars, all, &all.origins, envPrefix).load(context.Background(), inherited)...)
}

// notInherited returns the fault of a setting that each service must set for itself.
func (c *Config) notInherited(vars *variables, s setting) error {
	const shown = 3
	var own []string
	for _, name := range c.Names.Valid[:min(shown, len(c.Names.Valid))] {
		own = append(own, servicePrefix(name)+s.bare())
	}
	if len(c.Names.Valid) > shown {
		own = append(own, "...")
	}
	variable := s.name
	text, set := vars.texts[variable]
	if !set {
		variable += "_FILE"
		text = vars.texts[variable]
	}
	if own == nil {
		own = []string{"LB_NAME_" + s.bare()}
	}
	return fmt.Errorf("%s=%q: services do not inherit it, expected %s", variable, text, strings.Join(own, ", "))
}
