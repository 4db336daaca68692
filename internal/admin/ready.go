package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// ready responds 503 with the reason unless this instance should get traffic: while it
// drains, and while no service has a backend that is up. With ?service=NAME that service
// must have one, and with ?ignore=backends none has to.
func (src *Source) ready(w http.ResponseWriter, r *http.Request) {
	services, ignored := src.Services, false
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // what it asked for is not known, and must not be left out
		answer(w, http.StatusBadRequest, err.Error())
		return
	}
	for name, values := range query {
		switch {
		case name == "service" && len(values) == 1:
			s := src.service(values[0])
			if s == nil {
				answer(w, http.StatusNotFound, fmt.Sprintf("no service %q", values[0]))
				return
			}
			services = []*Service{s}
		case name == "ignore" && slices.Equal(values, []string{"backends"}):
			ignored = true
		default:
			answer(w, http.StatusBadRequest, fmt.Sprintf("%s=%q: expected service=NAME once, or ignore=backends", name, values))
			return
		}
	}
	switch {
	case src.Draining():
		answer(w, http.StatusServiceUnavailable, "draining")
	case !ignored && !anyReady(services):
		answer(w, http.StatusServiceUnavailable, "no backend is up")
	default:
		answer(w, http.StatusOK, "ready")
	}
}

// anyReady reports whether one of the services has a backend that may take traffic.
func anyReady(services []*Service) bool {
	return slices.ContainsFunc(services, func(s *Service) bool { return s.Pool.Ready() })
}

// service returns the service of that name, or nil.
func (src *Source) service(name string) *Service {
	i := slices.IndexFunc(src.Services, func(s *Service) bool { return s.Name == name && name != "" })
	if i < 0 {
		return nil
	}
	return src.Services[i]
}
