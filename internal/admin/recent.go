package admin

import (
	"time"

	"fourseven/health"
)

// The time that percentiles and error rates are of: a minute, in steps of ten seconds.
const (
	recentStep  = 5 // looks
	recentSteps = 6
)

// tally is what a backend had done at one time.
type tally struct {
	at              time.Time
	connects, times health.Durations
	responses       [len(health.Classes)]uint64
	failed          uint64
	dials           uint64 // that failed
}

func takeTally(now time.Time, b *health.Backend) tally {
	t := tally{at: now, connects: b.Connects(), times: b.ResponseTimes(), responses: b.Responses(), failed: b.FailedRequests()}
	for _, r := range health.Reasons {
		t.dials += b.Failures(r)
	}
	return t
}

// recently are the tallies of the last minute, the oldest first.
type recently []tally

// add keeps a tally in place of the oldest one.
func (r *recently) add(t tally) {
	if len(*r) > recentSteps {
		copy(*r, (*r)[1:])
		*r = (*r)[:recentSteps]
	}
	*r = append(*r, t)
}

// recent is what a backend did in the last minute, or since it joined.
type recent struct {
	Seconds     float64  `json:"seconds"`
	Connect     *latency `json:"connect,omitempty"`  // of dials that succeeded
	Response    *latency `json:"response,omitempty"` // from when the request was sent to the response's head
	Requests    uint64   `json:"requests"`           // that it responded to or failed
	Errors      uint64   `json:"errors"`             // of them: responses 5xx, and those that it failed
	Dials       uint64   `json:"dials"`
	FailedDials uint64   `json:"failed_dials"`
}

// latency is an estimate of how long something took.
type latency struct {
	P50 float64 `json:"p50_seconds"`
	P99 float64 `json:"p99_seconds"`
}

// since returns what happened between two tallies.
func (t *tally) since(earlier *tally) recent {
	connects, times := t.connects.Since(&earlier.connects), t.times.Since(&earlier.times)
	r := recent{
		Seconds: t.at.Sub(earlier.at).Seconds(), Connect: latencyOf(&connects), Response: latencyOf(&times),
		FailedDials: t.dials - earlier.dials,
	}
	r.Dials = connects.Count() + r.FailedDials
	failed := t.failed - earlier.failed
	r.Requests, r.Errors = failed, failed
	for i, n := range t.responses {
		r.Requests += n - earlier.responses[i]
	}
	r.Errors += t.responses[4] - earlier.responses[4]
	return r
}

func latencyOf(d *health.Durations) *latency {
	if d.Count() == 0 {
		return nil
	}
	return &latency{P50: d.Quantile(0.5).Seconds(), P99: d.Quantile(0.99).Seconds()}
}
