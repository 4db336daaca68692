package admin

import (
	"net/http"
	"path"
	"time"

	"fourseven/health"
)

// backend is what /api/backends says of one.
type backend struct {
	Address          string            `json:"address"`
	Weight           int               `json:"weight"`
	ConfiguredWeight int               `json:"configured_weight"`
	MaxConns         int64             `json:"max_conns"` // 0: no limit
	Backup           bool              `json:"backup"`
	State            string            `json:"state"` // what the probes say
	Mode             string            `json:"mode"`  // what the operator says
	Since            *time.Time        `json:"since,omitempty"`
	Probe            *probe            `json:"probe,omitempty"` // the last one
	Active           int64             `json:"active_connections"`
	Connections      uint64            `json:"connections"`
	Received         int64             `json:"received_bytes"` // from clients
	Sent             int64             `json:"sent_bytes"`     // to clients
	Errors           map[string]uint64 `json:"errors"`         // failed dials by reason
	Checks           map[string]uint64 `json:"checks"`
	Changes          uint64            `json:"state_changes"`
}

type probe struct {
	At      time.Time `json:"at"`
	Latency float64   `json:"latency_seconds"`
	Passed  bool      `json:"passed"`
	Error   string    `json:"error,omitempty"`
}

func (src *Source) showBackends(w http.ResponseWriter, _ *http.Request) {
	all := []backend{}
	for _, b := range src.Pool.Backends() {
		all = append(all, describe(b))
	}
	show(w, http.StatusOK, all)
}

// showBackend shows one backend: GET /api/backends/ADDR.
func (src *Source) showBackend(w http.ResponseWriter, r *http.Request) {
	addr := r.PathValue("addr")
	if method := steeringMethod(addr); method != "" && src.Pool.Find(addr) == nil {
		w.Header().Set("Allow", method)
		fail(w, http.StatusMethodNotAllowed, "expected "+method)
		return
	}
	if b := src.find(w, addr); b != nil {
		show(w, http.StatusOK, describe(b))
	}
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

func describe(b *health.Backend) backend {
	status, spec := b.Status(), b.Spec()
	d := backend{
		Address: b.Addr, Weight: b.CurrentWeight(), ConfiguredWeight: spec.Weight, MaxConns: spec.MaxConns, Backup: spec.Backup,
		State: status.State.String(), Mode: b.Mode().String(),
		Active: b.Active(), Connections: b.Total(),
		Received: b.Traffic().Received.Load(), Sent: b.Traffic().Sent.Load(),
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
	for _, r := range health.Reasons {
		d.Errors[r.String()] = b.Failures(r)
	}
	for _, r := range health.CheckResults {
		d.Checks[r.String()] = b.Checks(r)
	}
	return d
}
