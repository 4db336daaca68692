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

// Checker probes the backends of a pool on a schedule of its own for each, at
// most 32 at a time. Its exported fields are set before use; durations must be
// positive.
type Checker struct {
	Pool  *Pool
	Probe Probe

	// Interval is the time between two probes of a backend that is steadily up,
	// FastInterval that of one that is down or a standby, or whose last probe contradicts
	// its state. Each pause is up to a tenth shorter than that, so that many instances
	// do not probe in step.
	Interval, FastInterval time.Duration
	// Timeout bounds one probe.
	Timeout time.Duration
	// Relieve is called when a probe has taken half of its time, and when it has failed.
	// It releases whatever may keep the backend from responding, such as unused
	// connections to one that serves a single connection at a time, and reports whether
	// there was anything to release. If there was, a failed probe is repeated at once,
	// and the second result is the one that counts. If nil, no probe is repeated.
	Relieve func(b *Backend) bool
	// Rise and Fall are how many consecutive results bring a backend up and take
	// it down. Values under 1 mean 1.
	Rise, Fall int

	lanes lanes
}

// CheckAll probes all backends and decides the state of each by that one result. It
// returns after Timeout at the latest. Backends that were not probed by then, or too late
// to have responded, stay unknown: Run begins with them.
func (c *Checker) CheckAll(ctx context.Context) {
	backends := c.Pool.Backends()
	results := make([]result, len(backends))
	round, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var wg sync.WaitGroup
	for i, b := range backends {
		wg.Go(func() { results[i] = c.probeInLane(round, b) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return // cut off: the outcomes mean nothing
	}
	decided := results[:0]
	for _, r := range results {
		if r.backend != nil && (r.latency > c.Timeout/2 || !errors.Is(r.err, context.DeadlineExceeded)) {
			decided = append(decided, r)
		}
	}
	c.Pool.record(1, 1, decided...)
	c.Pool.started() // also if nothing was decided, or there are no backends
}

// Run probes until the context is done, and returns when the last probe has
// ended. The backends' schedules start spread over the interval; those that are
// unknown, as those that join the pool later, are probed at once.
func (c *Checker) Run(ctx context.Context) error {
	return schedules[*Backend]{list: c.Pool.Backends, changedc: c.Pool.changedc, run: c.watch}.follow(ctx)
}

// watch probes one backend: first after that part of the interval, or sooner if its
// state asks for it.
func (c *Checker) watch(ctx context.Context, b *Backend, phase float64) {
	first := time.Duration(phase * float64(c.Interval))
	switch b.Status().State {
	case Down, Standby:
		first = min(first, c.FastInterval)
	case Unknown:
		first = 0
	}
	timer, warm := time.NewTimer(first), time.NewTimer(0)
	defer timer.Stop()
	defer warm.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-warm.C:
			if d := c.Pool.warm(b); d > 0 {
				warm.Reset(d)
			}
			continue
		case <-timer.C:
		case <-b.suspectc:
		}
		r := c.probeInLane(ctx, b)
		if ctx.Err() != nil {
			return // the probe was cut off: its outcome means nothing
		}
		c.Pool.record(max(c.Rise, 1), max(c.Fall, 1), r)
		warm.Reset(0)
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

// probeInLane waits for its lane and probes. The result is empty if the context
// was done before.
func (c *Checker) probeInLane(ctx context.Context, b *Backend) result {
	leave, ok := c.lanes.enter(ctx, b.Status().State)
	if !ok {
		return result{}
	}
	defer leave()
	return c.probe(ctx, b)
}

// probe runs one probe, and repeats it if it failed and Relieve released anything.
func (c *Checker) probe(ctx context.Context, b *Backend) result {
	if c.Relieve == nil {
		return c.probeOnce(ctx, b)
	}
	slow := time.AfterFunc(c.Timeout/2, func() { c.Relieve(b) })
	r := c.probeOnce(ctx, b)
	slow.Stop()
	if checkResult(r.err) == CheckFailed && ctx.Err() == nil && c.Relieve(b) {
		r = c.probeOnce(ctx, b)
	}
	return r
}

// probeOnce runs one probe. A panic in it is a failed probe.
func (c *Checker) probeOnce(ctx context.Context, b *Backend) (r result) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	ctx, leftOut := withLeftOut(ctx)
	r.backend, r.started = b, time.Now()
	defer func() {
		r.latency = time.Since(r.started) - *leftOut
		if v := recover(); v != nil {
			r.err = brief(fmt.Errorf("probe panicked: %v", v))
		}
	}()
	r.err = brief(c.Probe(ctx, b))
	if errors.Is(r.err, context.DeadlineExceeded) {
		r.err = fmt.Errorf("no answer within %s: %w", c.Timeout, r.err)
	}
	return r
}
