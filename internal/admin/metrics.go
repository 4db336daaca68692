package admin

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"fourseven/health"
	"fourseven/l4"
)

// The metrics that are read from the parts when they are asked for, so that counting
// costs the data path nothing more, and the series of a backend are deleted when it
// leaves the list.
var (
	buildInfo    = desc("lb_build_info", "The program's version; always 1.", "version", "goversion")
	serviceLimit = desc("lb_service_connections_limit", "Limit of the service's open client connections; 0 is no limit below that of the process.")
	limit        = desc("lb_connections_limit", "Limit of open client connections; 0 is no limit.")
	draining     = desc("lb_draining", "1 once the shutdown has begun, otherwise 0.")
	acceptErrors = desc("lb_accept_errors_total", "Failed accepts on all frontends.")
	loopStalls   = desc("lb_loop_stalls_total", "Number of times that an event loop was held up for more than 100 ms.")
	linesDropped = desc("lb_log_lines_dropped_total", "Log lines dropped because the reader of the log was too slow.")
	accepted     = desc("lb_frontend_connections_total", "Client connections accepted.", "frontend")
	active       = desc("lb_frontend_active_connections", "Currently open client connections.", "frontend")
	rejected     = desc("lb_frontend_rejected_total", "Client connections refused, by reason.", "frontend", "reason")
	closed       = desc("lb_connections_closed_total", "Client connections closed, by reason.", "frontend", "reason")
	received     = desc("lb_received_bytes_total", "Bytes received from clients.", "frontend")
	sent         = desc("lb_sent_bytes_total", "Bytes sent to clients.", "frontend")
	retries      = desc("lb_retries_total", "Further backends tried after a failed dial.", "frontend")
	requests     = desc("lb_http_requests_total", "HTTP requests, by status of the response and method; 499 if the client disconnected before the response.", "code", "method")
	inFlight     = desc("lb_http_requests_in_flight", "HTTP requests in flight, including upgraded connections.")
	reloads      = desc("lb_reloads_total", "Settings read again while running, by result; refused keeps the old value.", "setting", "result")
	lookups      = desc("lb_dns_lookups_total", "DNS lookups of backends' names, by result.", "result")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// register gives the registry all metrics. Those of a service have the label service if
// it has a name.
func (src *Source) register() {
	src.Registry.MustRegister(processCollector{src},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, s := range src.Services {
		labels := prometheus.Labels{}
		if s.Name != "" {
			labels["service"] = s.Name
		}
		c := s.Counters
		prometheus.WrapRegistererWith(labels, src.Registry).MustRegister(serviceCollector{s}, c.connections, c.dials, c.served)
	}
}

// processCollector reads what the services have in common.
type processCollector struct{ src *Source }

// Describe sends what Collect collects.
func (c processCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{buildInfo, limit, draining, loopStalls, linesDropped, reloads} {
		out <- d
	}
}

// Collect reads everything once.
func (c processCollector) Collect(out chan<- prometheus.Metric) {
	src, e := c.src, exposition{out}
	e.gauge(buildInfo, 1, src.Version, runtime.Version())
	e.gauge(limit, float64(src.Limit))
	e.gauge(draining, truth(src.Draining()))
	e.counter(loopStalls, src.Stalls())
	e.counter(linesDropped, src.Dropped())
	for _, r := range src.Reloads() {
		e.counter(reloads, r.Count, r.Setting, r.Result)
	}
}

// serviceCollector reads the counts of one service's parts.
type serviceCollector struct{ *Service }

// Describe sends what Collect collects.
func (c serviceCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		acceptErrors, accepted, active, rejected, closed, received, sent, retries,
		requests, inFlight, lookups, handshakes, expiries,
	} {
		out <- d
	}
	for _, d := range backendDescs {
		out <- d
	}
	if c.Name != "" {
		out <- serviceLimit
	}
}

// Collect reads everything once.
func (c serviceCollector) Collect(out chan<- prometheus.Metric) {
	e := exposition{out}
	if c.Name != "" {
		e.gauge(serviceLimit, float64(c.Limit))
	}
	failed := uint64(0)
	for _, f := range c.Frontends {
		stats := f.Stats()
		c.collectFrontend(e, f.Name, stats)
		failed += stats.AcceptErrors
	}
	c.collectTLS(e)
	e.counter(acceptErrors, failed)
	for _, b := range c.Pool.Backends() {
		collectBackend(e, b)
		if c.InFlight != nil {
			collectHTTP(e, b)
		}
		if c.Pool.Balance == health.Single {
			e.gauge(single, truth(c.Pool.Active() == b), b.Addr)
		}
	}
	for _, r := range health.LookupResults {
		e.counter(lookups, c.Lookups(r), r.String())
	}
	if c.InFlight != nil {
		e.gauge(inFlight, float64(c.InFlight()))
		c.Counters.eachRequest(func(code, method string, n uint64) { e.counter(requests, n, code, method) })
	}
}

func (c serviceCollector) collectFrontend(e exposition, name string, stats l4.Stats) {
	e.counter(accepted, stats.Connections, name)
	e.gauge(active, float64(stats.Active), name)
	e.counter(received, uint64(stats.Received), name)
	e.counter(sent, uint64(stats.Sent), name)
	e.counter(retries, stats.Retries, name)
	c.Counters.eachEnding(name, func(reason string, n uint64) {
		e.counter(closed, n, name, reason)
		if rejects(reason) {
			e.counter(rejected, n, name, reason)
		}
	})
}

// exposition is where a collector's metrics go.
type exposition struct{ out chan<- prometheus.Metric }

func (e exposition) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (e exposition) counter(d *prometheus.Desc, v uint64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func (e exposition) histogram(d *prometheus.Desc, counted health.Durations, bounds []time.Duration, labels ...string) {
	buckets := map[float64]uint64{}
	for _, bound := range bounds {
		buckets[bound.Seconds()] = counted.AtMost(bound)
	}
	e.out <- prometheus.MustNewConstHistogram(d, counted.Count(), counted.Sum.Seconds(), buckets, labels...)
}

func truth(fact bool) float64 {
	if fact {
		return 1
	}
	return 0
}
