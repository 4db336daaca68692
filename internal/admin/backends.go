package admin

import (
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"fourseven/health"
)

// backend is a backend in the response of /api/backends.
type backend struct {
	Service          string            `json:"service,omitempty"`
	Address          string            `json:"address"`
	Weight           int               `json:"weight"`
	ConfiguredWeight int               `json:"configured_weight"`
	MaxConns         int64             `json:"max_conns"`       // 0: no limit
	Check            string            `json:"check,omitempty"` // where it is probed, if it has a place of its own
	Backup           bool              `json:"backup"`
	Takes            bool              `json:"active,omitempty"` // with LB_BALANCE=single: takes all new connections
	State            string            `json:"state"`            // according to the probes
	Mode             string            `json:"mode"`             // set by the operator
	Since            *time.Time        `json:"since,omitempty"`
	Probe            *probe            `json:"probe,omitempty"`    // the last one
	Active           int64             `json:"active_connections"` // and requests in flight
	Connections      uint64            `json:"connections"`        // and requests
	OpenConns        int64             `json:"open_connections"`   // over L4 alone
	Conns            uint64            `json:"l4_connections"`
	InFlight         int64             `json:"requests_in_flight"`
	Requests         uint64            `json:"requests"`
	Responses        map[string]uint64 `json:"responses"`       // by the class of their status
	Failed           uint64            `json:"failed_requests"` // without a whole, valid response
	Recent           recent            `json:"recent"`          // the last minute
	Received         int64             `json:"received_bytes"`  // from clients
	Sent             int64             `json:"sent_bytes"`      // to clients
	Errors           map[string]uint64 `json:"errors"`          // failed dials by reason
	Checks           map[string]uint64 `json:"checks"`
	Changes          uint64            `json:"state_changes"`
}

type probe struct {
	At      time.Time `json:"at"`
	Latency float64   `json:"latency_seconds"`
	Passed  bool      `json:"passed"`
	Error   string    `json:"error,omitempty"`
}

// showBackends shows all backends, or those of one service.
func (src *Source) showBackends(w http.ResponseWriter, r *http.Request) {
	services, ok := src.chosen(w, r)
	if !ok {
		return
	}
	all := []backend{}
	for _, s := range services {
		for _, b := range s.Pool.Backends() {
			all = append(all, src.describe(target{s, b}))
		}
	}
	show(w, http.StatusOK, all)
}

// chosen returns the service that the path names, or all of them if it names none. It
// responds itself if there is no service of that name.
func (src *Source) chosen(w http.ResponseWriter, r *http.Request) (services []*Service, ok bool) {
	name := r.PathValue("service")
	if name == "" {
		return src.Services, true
	}
	s := src.service(name)
	if s == nil {
		fail(w, http.StatusNotFound, fmt.Sprintf("no service %q", name))
		return nil, false
	}
	return []*Service{s}, true
}

// showBackend shows one backend: GET /api/backends/ADDR.
func (src *Source) showBackend(w http.ResponseWriter, r *http.Request) {
	addr := r.PathValue("addr")
	services, ok := src.chosen(w, r)
	if !ok {
		return
	}
	if method := steeringMethod(addr); method != "" && len(having(services, addr)) == 0 {
		w.Header().Set("Allow", method)
		fail(w, http.StatusMethodNotAllowed, "expected "+method)
		return
	}
	if t, ok := src.find(w, r, addr); ok {
		show(w, http.StatusOK, src.describe(t))
	}
}

// target is a backend of a service, as a request names it.
type target struct {
	of      *Service
	backend *health.Backend
}

// having returns the backends with that address, in exactly this spelling.
func having(services []*Service, addr string) (all []target) {
	for _, s := range services {
		if b := s.Pool.Find(addr); b != nil {
			all = append(all, target{s, b})
		}
	}
	return all
}

// find returns the backend with that address, in whatever spelling. It responds itself if
// there is none, or if several services have it and the path does not name one.
func (src *Source) find(w http.ResponseWriter, r *http.Request, addr string) (target, bool) {
	services, ok := src.chosen(w, r)
	if !ok {
		return target{}, false
	}
	addr = strings.TrimSuffix(addr, "/")
	found := having(services, addr)
	if len(found) == 0 && !strings.Contains(addr, ";") {
		if spelt, err := health.ParseSpec(addr); err == nil {
			found = having(services, spelt.Addr)
		}
	}
	switch len(found) {
	case 0:
		fail(w, http.StatusNotFound, fmt.Sprintf("no backend %q", addr))
		return target{}, false
	case 1:
		return found[0], true
	}
	fail(w, http.StatusConflict, fmt.Sprintf("services %s have a backend %q: use /api/services/%s/backends/",
		namesOf(found), addr, found[0].of.Name))
	return target{}, false
}

// namesOf returns the names of the services, for a message.
func namesOf(all []target) string {
	var names []string
	for _, t := range all {
		names = append(names, t.of.Name)
	}
	return strings.Join(names, ", ")
}

// steeringMethod returns the method of a request that changes something, if its path ends as
// one does.
func steeringMethod(addr string) string {
	switch path.Base(addr) {
	case "weight":
		return http.MethodPut
	case "drain", "ready", "down", "close":
		return http.MethodPost
	}
	return ""
}

func (src *Source) describe(t target) backend {
	b := t.backend
	status, spec := b.Status(), b.Spec()
	d := backend{
		Service: t.of.Name,
		Address: b.Addr, Weight: b.CurrentWeight(), ConfiguredWeight: spec.Weight, MaxConns: spec.MaxConns, Backup: spec.Backup,
		Check: string(spec.Check), Takes: t.of.Pool.Active() == b,
		State: status.State.String(), Mode: b.Mode().String(),
		Active: b.Active(), Connections: b.Total(),
		Received: b.Traffic().Received.Load(), Sent: b.Traffic().Sent.Load(),
		Recent:    src.History.recent(b, src.Started),
		Responses: map[string]uint64{}, Failed: b.FailedRequests(),
		Errors: map[string]uint64{}, Checks: map[string]uint64{}, Changes: b.Changes(),
	}
	if !status.Since.IsZero() {
		d.Since = &status.Since
	}
	if !status.ProbedAt.IsZero() {
		d.Probe = &probe{At: status.ProbedAt, Latency: status.Latency.Seconds(), Passed: status.Err == nil}
		if status.Err != nil {
			d.Probe.Error = status.Err.Error()
		}
	}
	d.Conns, d.OpenConns = b.Conns()
	d.Requests, d.InFlight = b.Requests()
	for i, n := range b.Responses() {
		d.Responses[health.Classes[i]] = n
	}
	for _, r := range health.Reasons {
		d.Errors[r.String()] = b.Failures(r)
	}
	for _, r := range health.CheckResults {
		d.Checks[r.String()] = b.Checks(r)
	}
	return d
}
