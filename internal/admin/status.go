package admin

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"time"

	"fourseven/l4"
)

// status is the response of /api/status.
type status struct {
	Version      string           `json:"version"`
	Started      time.Time        `json:"started"`
	Now          time.Time        `json:"now"`
	Ready        bool             `json:"ready"`
	Health       availability     `json:"availability"` // of all services
	LastEvent    uint64           `json:"last_event"`   // the ID of the latest of /api/events
	Draining     bool             `json:"draining"`
	Limit        int              `json:"connections_limit"` // 0: none
	AcceptErrors uint64           `json:"accept_errors"`
	Dropped      uint64           `json:"log_lines_dropped"`
	Reloads      []reloadStatus   `json:"reloads"`
	Frontends    []frontendStatus `json:"frontends"`
	HTTP         *httpStatus      `json:"http,omitempty"`     // of all services
	Services     []serviceStatus  `json:"services,omitempty"` // those that have names
	Certificates []Certificate    `json:"certificates,omitempty"`
}

// serviceStatus is what /api/status has of one service besides its frontends.
type serviceStatus struct {
	Name   string       `json:"name"`
	Ready  bool         `json:"ready"`
	Health availability `json:"availability"`
	Limit  int          `json:"connections_limit"` // 0: none but the process's
	HTTP   *httpStatus  `json:"http,omitempty"`
}

// reloadStatus is the last time that a setting was read again.
type reloadStatus struct {
	Setting string    `json:"setting"`
	Result  string    `json:"result"`
	At      time.Time `json:"at"`
	Error   string    `json:"error,omitempty"`
}

type frontendStatus struct {
	Service     string            `json:"service,omitempty"`
	Name        string            `json:"name"`
	Addr        string            `json:"address"`
	Active      int               `json:"active"`
	Connections uint64            `json:"connections"`
	Received    int64             `json:"received_bytes"`
	Sent        int64             `json:"sent_bytes"`
	Retries     uint64            `json:"retries"`
	Rejected    map[string]uint64 `json:"rejected"`
	Closed      map[string]uint64 `json:"closed"`
}

type httpStatus struct {
	InFlight int               `json:"in_flight"`
	Requests map[string]uint64 `json:"requests"` // by status
}

func (src *Source) showStatus(w http.ResponseWriter, _ *http.Request) {
	s := status{
		Version: src.Version, Started: src.Started, Now: time.Now(),
		Ready: anyReady(src.Services) && !src.Draining(), Draining: src.Draining(),
		LastEvent: src.Events.latest(), Certificates: src.certificates(time.Now()),
		Limit: src.Limit, Dropped: src.Dropped(),
		Frontends: []frontendStatus{}, Reloads: lastReloads(src.Reloads()),
	}
	for _, service := range src.Services {
		health := service.availability()
		s.Health = s.Health.plus(health)
		for _, f := range service.Frontends {
			stats := f.Stats()
			s.Frontends = append(s.Frontends, service.describe(f, stats))
			s.AcceptErrors += stats.AcceptErrors
		}
		h := service.http()
		s.HTTP = s.HTTP.plus(h)
		if service.Name != "" {
			s.Services = append(s.Services, serviceStatus{service.Name, service.Pool.Ready(), health, service.Limit, h})
		}
	}
	show(w, http.StatusOK, s)
}

// http returns the service's requests, or nil if it has no HTTP.
func (s *Service) http() *httpStatus {
	if s.InFlight == nil {
		return nil
	}
	h := &httpStatus{InFlight: s.InFlight(), Requests: map[string]uint64{}}
	s.Counters.eachRequest(func(code, _ string, n uint64) { h.Requests[code] += n })
	return h
}

// plus returns the sum of two, each of which may be nil.
func (h *httpStatus) plus(other *httpStatus) *httpStatus {
	if h == nil || other == nil {
		return cmp.Or(h, other)
	}
	sum := &httpStatus{InFlight: h.InFlight + other.InFlight, Requests: maps.Clone(h.Requests)}
	for code, n := range other.Requests {
		sum.Requests[code] += n
	}
	return sum
}

// lastReloads returns the latest of each setting's reloads.
func lastReloads(all []Reload) []reloadStatus {
	last := []reloadStatus{}
	for _, r := range all {
		i := slices.IndexFunc(last, func(l reloadStatus) bool { return l.Setting == r.Setting })
		switch {
		case r.Count == 0:
		case i < 0:
			last = append(last, reloadStatus{r.Setting, r.Result, r.At, r.Error})
		case r.At.After(last[i].At):
			last[i] = reloadStatus{r.Setting, r.Result, r.At, r.Error}
		}
	}
	return last
}

func (s *Service) describe(f Frontend, stats l4.Stats) frontendStatus {
	d := frontendStatus{
		Service: s.Name, Name: f.Name, Addr: f.Addr, Active: stats.Active, Connections: stats.Connections,
		Received: stats.Received, Sent: stats.Sent, Retries: stats.Retries,
		Rejected: map[string]uint64{}, Closed: map[string]uint64{},
	}
	s.Counters.eachEnding(f.Name, func(reason string, n uint64) {
		if n == 0 {
			return
		}
		d.Closed[reason] = n
		if rejects(reason) {
			d.Rejected[reason] = n
		}
	})
	return d
}
