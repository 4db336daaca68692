package admin

import (
	"net/http"
	"slices"
	"time"

	"fourseven/l4"
)

// status is what /api/status says.
type status struct {
	Version      string           `json:"version"`
	Started      time.Time        `json:"started"`
	Now          time.Time        `json:"now"`
	Ready        bool             `json:"ready"`
	Draining     bool             `json:"draining"`
	Limit        int              `json:"connections_limit"` // 0: none
	AcceptErrors uint64           `json:"accept_errors"`
	Dropped      uint64           `json:"log_lines_dropped"`
	Reloads      []reloadStatus   `json:"reloads"`
	Frontends    []frontendStatus `json:"frontends"`
	HTTP         *httpStatus      `json:"http,omitempty"`
}

// reloadStatus is the last time that a setting was read again.
type reloadStatus struct {
	Setting string    `json:"setting"`
	Result  string    `json:"result"`
	At      time.Time `json:"at"`
	Error   string    `json:"error,omitempty"`
}

type frontendStatus struct {
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
		Ready: src.Pool.Ready() && !src.Draining(), Draining: src.Draining(),
		Limit: src.Limit, Dropped: src.Dropped(),
		Frontends: []frontendStatus{}, Reloads: lastReloads(src.Reloads()),
	}
	for _, f := range src.Frontends {
		stats := f.Stats()
		s.Frontends = append(s.Frontends, src.describe(f, stats))
		s.AcceptErrors += stats.AcceptErrors
	}
	if src.InFlight != nil {
		s.HTTP = &httpStatus{InFlight: src.InFlight(), Requests: map[string]uint64{}}
		src.Counters.eachRequest(func(code, _ string, n uint64) { s.HTTP.Requests[code] += n })
	}
	show(w, http.StatusOK, s)
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

func (src *Source) describe(f Frontend, stats l4.Stats) frontendStatus {
	d := frontendStatus{
		Name: f.Name, Addr: f.Addr, Active: stats.Active, Connections: stats.Connections,
		Received: stats.Received, Sent: stats.Sent, Retries: stats.Retries,
		Rejected: map[string]uint64{}, Closed: map[string]uint64{},
	}
	src.Counters.eachEnding(f.Name, func(reason string, n uint64) {
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
