package admin

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fourseven/health"
)

// The metrics of each backend.
var (
	up            = desc("lb_backend_up", "1 if the backend is up according to its probes and the operator, otherwise 0.", "backend")
	standby       = desc("lb_backend_standby", "1 if the backend's probes report standby: it works but wants no traffic. lb_backend_up is then 0.", "backend")
	single        = desc("lb_backend_active", "With LB_BALANCE=single: 1 for the backend that gets all new connections, otherwise 0.", "backend")
	backendActive = desc("lb_backend_active_connections", "Currently open L4 connections to the backend and HTTP requests in flight at it.", "backend")
	backendTotal  = desc("lb_backend_connections_total", "L4 connections and HTTP requests sent to the backend.", "backend")
	backendIn     = desc("lb_backend_received_bytes_total", "Bytes sent from clients to the backend.", "backend")
	backendOut    = desc("lb_backend_sent_bytes_total", "Bytes sent from the backend to clients.", "backend")
	connectErrors = desc("lb_backend_connect_errors_total", "Failed dials of the backend, by reason.", "backend", "reason")
	checks        = desc("lb_backend_checks_total", "Probes of the backend, by result; local is a failure of this machine, standby a working backend that wants no traffic.", "backend", "result")
	changes       = desc("lb_backend_state_changes_total", "Number of times that the backend went up or down.", "backend")
	dialTime      = desc("lb_backend_dial_duration_seconds", "Duration of successful dials of the backend.", "backend")
	httpRequests  = desc("lb_backend_http_requests_total", "HTTP requests sent to the backend. Unlike lb_backend_connections_total it does not include connections.", "backend")
	httpInFlight  = desc("lb_backend_http_requests_in_flight", "HTTP requests in flight at the backend, including upgraded connections.", "backend")
	httpResponses = desc("lb_backend_http_responses_total", "HTTP responses of the backend, by class of the status.", "backend", "code")
	httpFailed    = desc("lb_backend_http_failures_total", "HTTP requests that failed at the backend: no response in time, a malformed one, or one that broke off.", "backend")
	httpTime      = desc("lb_backend_http_response_duration_seconds", "Time from sending a request to the backend to the head of its response.", "backend")
)

var backendDescs = [...]*prometheus.Desc{
	up, standby, single, backendActive, backendTotal, backendIn, backendOut, connectErrors, checks, changes,
	dialTime, httpRequests, httpInFlight, httpResponses, httpFailed, httpTime,
}

// The buckets of what is counted for each backend are few: there may be many backends.
var (
	dialBounds = []time.Duration{
		500 * time.Microsecond, 2500 * time.Microsecond, 10 * time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond, time.Second,
	}
	httpBounds = []time.Duration{
		time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond,
		2500 * time.Millisecond, 10 * time.Second,
	}
)

func collectBackend(e exposition, b *health.Backend) {
	e.gauge(up, truth(b.Up()), b.Addr)
	e.gauge(standby, truth(b.Status().State == health.Standby && b.Mode() != health.ModeDown), b.Addr)
	e.gauge(backendActive, float64(b.Active()), b.Addr)
	e.counter(backendTotal, b.Total(), b.Addr)
	e.counter(backendIn, uint64(b.Traffic().Received.Load()), b.Addr)
	e.counter(backendOut, uint64(b.Traffic().Sent.Load()), b.Addr)
	e.counter(changes, b.Changes(), b.Addr)
	e.histogram(dialTime, b.Connects(), dialBounds, b.Addr)
	for _, r := range health.Reasons {
		e.counter(connectErrors, b.Failures(r), b.Addr, r.String())
	}
	for _, r := range health.CheckResults {
		e.counter(checks, b.Checks(r), b.Addr, r.String())
	}
}

// collectHTTP collects what a backend of a service with HTTP has besides.
func collectHTTP(e exposition, b *health.Backend) {
	total, inFlight := b.Requests()
	e.counter(httpRequests, total, b.Addr)
	e.gauge(httpInFlight, float64(inFlight), b.Addr)
	for i, n := range b.Responses() {
		e.counter(httpResponses, n, b.Addr, health.Classes[i])
	}
	e.counter(httpFailed, b.FailedRequests(), b.Addr)
	e.histogram(httpTime, b.ResponseTimes(), httpBounds, b.Addr)
}
