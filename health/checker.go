package health

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// minGap is the least time between two probes of a backend, however often its
// failed dials ask for one.
const minGap = 100 * time.Millisecond

// Checker probes the backends of a pool on a schedule of its own for each. Its
// fields are set before use; durations must be positive.
type Checker struct {
	Pool  *Pool
	Probe Probe

	// Interval is the time between two probes of a backend that is steadily up,
	// FastInterval that of one that is down or whose last probe contradicts its
	// state. Each pause is up to a tenth shorter than that, so that many instances
	// do not probe in step.
	Interval, FastInterval time.Duration
	// Timeout bounds one probe.
	Timeout time.Duration
	// Rise and Fall are how many consecutive results bring a backend up and take
	// it down. Values under 1 mean 1.
	Rise, Fall int
}

// CheckAll probes all backends at once and decides the state of each by that
// one result. It returns after Timeout at the latest.
func (c *Checker) CheckAll(ctx context.Context) {
	backends := c.Pool.Backends()
	results := make([]result, len(backends))
	var wg sync.WaitGroup
	for i, b := range backends {
		wg.Go(func() { results[i] = c.probe(ctx, b) })
	}
	wg.Wait()
	c.Pool.record(1, 1, results...)
}

// Run probes until the context is done, and returns when the last probe has
// ended. The backends' schedules start spread over the interval.
func (c *Checker) Run(ctx context.Context) error {
	backends := c.Pool.Backends()
	var wg sync.WaitGroup
	for i, b := range backends {
		first := c.Interval * time.Duration(i+1) / time.Duration(len(backends))
		if b.Status().State != Up {
			first = min(first, c.FastInterval)
		}
		wg.Go(func() { c.watch(ctx, b, first) })
	}
	wg.Wait()
	return ctx.Err()
}

func (c *Checker) watch(ctx context.Context, b *Backend, first time.Duration) {
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-b.suspectc:
		}
		r := c.probe(ctx, b)
		if ctx.Err() != nil {
			return // the probe was cut off: its outcome says nothing
		}
		c.Pool.record(max(c.Rise, 1), max(c.Fall, 1), r)
		gap := min(minGap, c.FastInterval)
		if !sleep(ctx, gap) {
			return
		}
		timer.Reset(max(c.pause(b)-gap, 0))
	}
}

// pause returns the time until the next probe of the backend.
func (c *Checker) pause(b *Backend) time.Duration {
	d := c.Interval
	if s := b.Status(); s.State != Up || s.Streak > 0 {
		d = min(c.FastInterval, c.Interval)
	}
	return d - rand.N(d/10+1)
}

// probe runs one probe. A panic in it is a failed probe.
func (c *Checker) probe(ctx context.Context, b *Backend) (r result) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	r.backend, r.started = b, time.Now()
	defer func() {
		r.latency = time.Since(r.started)
		if v := recover(); v != nil {
			r.err = fmt.Errorf("probe panicked: %v", v)
		}
	}()
	r.err = c.Probe(ctx, b)
	if errors.Is(r.err, context.DeadlineExceeded) {
		r.err = fmt.Errorf("no answer within %s: %w", c.Timeout, r.err)
	}
	return r
}

// sleep reports whether the time passed before the context was done.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
