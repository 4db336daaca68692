package admin

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fourseven/health"
	"fourseven/l4"
	"fourseven/l7"
)

// Counters count what the frontends report. Their methods are made for the
// frontends' hooks: they are safe for concurrent use, take no lock and allocate
// nothing.
type Counters struct {
	l4, l7   counts[l4.Ending]
	requests [len(methods)][codes]atomic.Uint64
	// handshakes are those of each frontend. The map itself does not change.
	handshakes map[string]counts[l4.Handshake]

	connections, dials, served prometheus.Histogram // their durations
}

// counts are the counts of some kinds. The map itself does not change.
type counts[K comparable] map[K]*atomic.Uint64

// newCounts returns counts of these kinds, at zero.
func newCounts[K comparable](kinds []K) counts[K] {
	c := counts[K]{}
	for _, kind := range kinds {
		c[kind] = new(atomic.Uint64)
	}
	return c
}

// methods are the labels that requests are counted under. Whatever else a client
// sends is other: no label ever comes from a client.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "other"}

// codes are the statuses from 100 to 599, and one for all others.
const codes = 501

// NewCounters returns counters at zero.
func NewCounters() *Counters {
	histogram := func(name, help string, buckets ...float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	}
	return &Counters{
		l4: newCounts(l4.Endings[:]), l7: newCounts(l4.Endings[:]),
		handshakes: map[string]counts[l4.Handshake]{"l4": newCounts(l4.Handshakes[:]), "l7": newCounts(l4.Handshakes[:])},
		connections: histogram("lb_connection_duration_seconds", "Duration of client connections.",
			.001, .005, .01, .05, .1, .5, 1, 5, 15, 60, 300, 1800, 3600, 14400),
		dials: histogram("lb_backend_connect_duration_seconds", "Duration of successful dials of backends.",
			.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5),
		served: histogram("lb_http_request_duration_seconds", "Duration of HTTP requests, from the first byte of the request to the last one of the response.",
			.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60),
	}
}

// L4Ended counts a connection of the L4 frontend.
func (c *Counters) L4Ended(rec l4.Record) {
	c.l4.count(rec.Reason)
	c.connections.Observe(rec.Whole.Seconds())
}

// L7Ended counts a connection of the L7 frontend.
func (c *Counters) L7Ended(closing l7.Closing) {
	c.l7.count(closing.Reason)
	c.connections.Observe(closing.Whole.Seconds())
}

// Served counts a request of the L7 frontend.
func (c *Counters) Served(rec *l7.Record) {
	c.requests[methodIndex(rec.Method)][codeIndex(rec.Status)].Add(1)
	c.served.Observe(rec.Whole.Seconds())
}

// Dialled counts a dial of a backend that succeeded.
func (c *Counters) Dialled(d time.Duration) { c.dials.Observe(d.Seconds()) }

// count counts one of a kind. Others than those of newCounts are not counted.
func (c counts[K]) count(kind K) {
	if n, ok := c[kind]; ok {
		n.Add(1)
	}
}

func methodIndex(method []byte) int {
	for i, m := range methods {
		if string(method) == m {
			return i
		}
	}
	return len(methods) - 1
}

func codeIndex(status int) int {
	if status < 100 || status > 599 {
		return codes - 1
	}
	return status - 100
}

// eachEnding calls f with each reason and how many connections of the frontend
// ended by it.
func (c *Counters) eachEnding(frontend string, f func(reason string, n uint64)) {
	e := c.l4
	if frontend == "l7" {
		e = c.l7
	}
	for _, ending := range l4.Endings {
		f(string(ending), e[ending].Load())
	}
}

// eachRequest calls f with each status and method that there were requests of.
func (c *Counters) eachRequest(f func(code, method string, n uint64)) {
	for m := range c.requests {
		for i := range c.requests[m] {
			if n := c.requests[m][i].Load(); n > 0 {
				f(codeName(i), methods[m], n)
			}
		}
	}
}

// classes returns how many requests there were, by the class of their status. 499 is of
// 4xx, and statuses that are no HTTP are of none.
func (c *Counters) classes() (n [len(health.Classes)]uint64) {
	c.eachRequest(func(code, _ string, count uint64) {
		if class := int(code[0]) - '1'; class >= 0 && class < len(n) {
			n[class] += count
		}
	})
	return n
}

// ended returns how many connections and requests have ended.
func (c *Counters) ended() (n uint64) {
	for _, ending := range l4.Endings {
		n += c.l4[ending].Load() + c.l7[ending].Load()
	}
	for _, requests := range c.classes() {
		n += requests
	}
	return n
}

func codeName(i int) string {
	if i == codes-1 {
		return "other"
	}
	return strconv.Itoa(100 + i)
}

// rejects reports whether the reason is that the client may not come in.
func rejects(reason string) bool {
	return reason == string(l4.Denied) || reason == string(l4.ProxyHeader) || reason == string(l4.NoRoute)
}
