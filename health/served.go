package health

import (
	"sync/atomic"
	"time"
)

// served counts what a backend received and how it responded. It is counted where the
// traffic is, so each is one atomic addition.
type served struct {
	conns, openConns atomic.Int64 // apart from requests
	responses        [numClasses]atomic.Uint64
	failed           atomic.Uint64
	connects         Histogram
	times            Histogram
}

// numClasses is the number of classes of HTTP statuses: 1xx to 5xx.
const numClasses = 5

// Classes are the classes of HTTP statuses by the names that metrics have for them.
var Classes = [numClasses]string{"1xx", "2xx", "3xx", "4xx", "5xx"}

// HoldConn notes that the place that Turn.Next has returned is for a connection and not
// for a request. ReleaseConn is due in place of Release.
func (b *Backend) HoldConn() { b.served.openConns.Add(1) }

// ReleaseConn ends what Turn.Next and HoldConn began.
func (b *Backend) ReleaseConn() {
	b.served.openConns.Add(-1)
	b.Release()
}

// CountConn is Count for a connection. Count alone is for a request.
func (b *Backend) CountConn() {
	b.served.conns.Add(1)
	b.Count()
}

// Conns returns how many connections the backend was given since it joined, and how many
// of them it has now. Requests are not among them.
func (b *Backend) Conns() (total uint64, open int64) {
	return uint64(b.served.conns.Load()), b.served.openConns.Load()
}

// Requests returns how many HTTP requests the backend was given since it joined, and how
// many of them it has now, upgraded connections included.
func (b *Backend) Requests() (total uint64, inFlight int64) {
	conns, open := b.Conns() // before the sums, which have all of them
	return b.Total() - conns, max(0, b.Active()-open)
}

// Connected counts a dial of the backend that succeeded, and how long it took.
func (b *Backend) Connected(took time.Duration) { b.served.connects.Observe(took) }

// Connects returns how long dials of the backend took that succeeded.
func (b *Backend) Connects() Durations { return b.served.connects.Durations() }

// Responded counts a response with this status, 100 to 599, whose head came after that
// time.
func (b *Backend) Responded(status int, took time.Duration) {
	if class := status/100 - 1; class >= 0 && class < numClasses {
		b.served.responses[class].Add(1)
	}
	b.served.times.Observe(took)
}

// Responses returns how many responses the backend has given, by the class of their
// status.
func (b *Backend) Responses() (n [numClasses]uint64) {
	for i := range n {
		n[i] = b.served.responses[i].Load()
	}
	return n
}

// ResponseTimes returns how long the heads of the backend's responses took, from when the
// request was sent.
func (b *Backend) ResponseTimes() Durations { return b.served.times.Durations() }

// CountFailure counts a request that the backend failed: it sent no response in time, a
// malformed one, or an incomplete one.
func (b *Backend) CountFailure() { b.served.failed.Add(1) }

// FailedRequests returns how many requests CountFailure has counted.
func (b *Backend) FailedRequests() uint64 { return b.served.failed.Load() }
