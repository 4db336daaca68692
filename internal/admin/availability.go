package admin

import "fourseven/health"

// availability is the number of backends, by what they do.
type availability struct {
	// State is that of the worst service: "not_ready" if it has no backend that takes
	// traffic, "degraded" if one of its backends is down, else "ready".
	State     string `json:"state"`
	Backends  int    `json:"backends"`
	Available int    `json:"available"` // that may take traffic
	Down      int    `json:"down"`      // by their probes or by the operator
	Standby   int    `json:"standby"`
	Draining  int    `json:"draining"` // by the operator
	// Without are the names of the services that have no backend that takes traffic.
	Without []string `json:"without_backend,omitempty"`
}

// The states of availability.
const (
	stateReady    = "ready"
	stateDegraded = "degraded"
	stateNotReady = "not_ready"
)

func (s *Service) availability() (a availability) {
	for _, b := range s.Pool.Backends() {
		a.Backends++
		switch state := b.Status().State; {
		case b.Mode() == health.ModeDown || state == health.Down:
			a.Down++
		case b.Mode() == health.ModeDrain:
			a.Draining++
		case state == health.Standby:
			a.Standby++
		case state == health.Up:
			a.Available++
		}
	}
	switch {
	case !s.Pool.Ready():
		a.State = stateNotReady
		if s.Name != "" {
			a.Without = []string{s.Name}
		}
	case a.Down > 0:
		a.State = stateDegraded
	default:
		a.State = stateReady
	}
	return a
}

// plus returns the availability of two services together, or b if a is the zero value.
func (a availability) plus(b availability) availability {
	if a.State == "" {
		return b
	}
	sum := availability{
		State: worse(a.State, b.State), Backends: a.Backends + b.Backends, Available: a.Available + b.Available,
		Down: a.Down + b.Down, Standby: a.Standby + b.Standby, Draining: a.Draining + b.Draining,
	}
	sum.Without = append(append(sum.Without, a.Without...), b.Without...)
	return sum
}

func worse(a, b string) string {
	for _, state := range []string{stateNotReady, stateDegraded} {
		if a == state || b == state {
			return state
		}
	}
	return stateReady
}
