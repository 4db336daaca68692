package config

import (
	"fmt"
	"slices"

	"fourseven/health"
)

// Hidden reports whether the value of a setting of a probe, such as LB_HEALTH_EXPECT, must
// not be shown, also in errors: it is from a file.
func (s *Service) Hidden(name string) bool {
	_, fromFile := s.source(name).File()
	return fromFile
}

// roleConflicts returns the faults of the settings that identify a backend's role.
func (s *Service) roleConflicts() []error {
	return slices.Concat(s.matchConflicts(), s.standbyConflicts(), s.singleConflicts(s.Backends))
}

func (s *Service) matchConflicts() (errs []error) {
	match := s.HealthMatch.String()
	if match == "" {
		return nil
	}
	variable := s.Variable("LB_HEALTH_MATCH")
	if s.HealthExpect != "" {
		errs = append(errs, fmt.Errorf("%s=%q: %s is set as well, expected one of the two", variable, match, s.Variable("LB_HEALTH_EXPECT")))
	}
	if s.HealthMethod == "HEAD" && s.ProbeKind() == "http" {
		errs = append(errs, fmt.Errorf("%s=%q: a response to %s=HEAD has no body, expected another method", variable, match, s.Variable("LB_HEALTH_METHOD")))
	}
	return errs
}

func (s *Service) standbyConflicts() []error {
	for status := 100; status <= 599; status++ {
		if s.HealthStandbyStatus.Contains(status) && s.HealthStatus.Contains(status) {
			return []error{fmt.Errorf("%s=%q: %s=%q has %d too, expected each status in one of the two",
				s.Variable("LB_HEALTH_STANDBY_STATUS"), s.HealthStandbyStatus, s.variableBeside("LB_HEALTH_STATUS", "LB_HEALTH_STANDBY_STATUS"), s.HealthStatus, status)}
		}
	}
	return nil
}

// singleConflicts returns the faults of a list of backends that single cannot take.
func (s *Service) singleConflicts(list Backends) (errs []error) {
	for _, one := range list {
		if s.Balance == health.Single && one.Spec.Backup {
			errs = append(errs, fmt.Errorf("%s: entry %q: with %s=single the next in the list takes over, expected no ;backup",
				s.Variable("LB_BACKENDS"), one, s.Variable("LB_BALANCE")))
		}
	}
	return errs
}
