package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// patience is how long past the end of a sample an operation may still take.
const patience = 10 * time.Second

// An operation is what one connection of a load does again and again.
type operation interface {
	// do does it once, and returns how much it adds to what the scenario counts.
	do() (int64, error)
	close()
}

// opener opens one connection. Nothing on it may take longer than until deadline.
type opener func(addr string, deadline time.Time) (operation, error)

// load is the generator of one sample: conns workers with a connection each.
type load struct {
	addrs    []string // the workers take turns
	conns    int
	open     opener
	rate     int           // operations a second over all workers, 0 for a closed load
	warmup   time.Duration // not counted
	duration time.Duration // counted
	budget   *budget       // of operations; nil for as many as there is time for
	// cpu returns the processor time of the peer so far.
	cpu func() (time.Duration, error)

	phase   atomic.Int32 // of the phases below
	warm    gate         // every connection has done one operation
	counted gate         // every connection has been counted
	mu      sync.Mutex
	count   int64                   // guarded by mu
	hist    *hdrhistogram.Histogram // guarded by mu; nanoseconds
}

// The phases of a sample.
const (
	warming int32 = iota
	counting
	over
)

// sample is what a load has measured.
type sample struct {
	count   int64
	elapsed time.Duration
	cpu     time.Duration
	hist    *hdrhistogram.Histogram // nanoseconds
}

// run returns the sample, or the first error of any worker.
func (l *load) run(ctx context.Context) (sample, error) {
	l.hist = newHistogram()
	l.warm, l.counted = newGate(l.conns), newGate(l.conns)
	operations, err := l.openAll()
	defer closeAll(operations)
	if err != nil {
		return sample{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { closeAll(operations) })()
	if l.budget != nil {
		l.phase.Store(counting) // every operation counts, because there may be few
	}
	var workers sync.WaitGroup
	l.startWorkers(ctx, cancel, &workers, operations)
	s, err := l.measure(ctx)
	l.phase.Store(over)
	workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return sample{}, cause
	}
	s.count, s.hist = l.count, l.hist
	return s, err
}

func (l *load) openAll() ([]operation, error) {
	deadline := time.Now().Add(l.warmup + l.duration + patience)
	var operations []operation
	for i := range l.conns {
		op, err := l.open(l.addrs[i%len(l.addrs)], deadline)
		if err != nil {
			return operations, err
		}
		operations = append(operations, op)
	}
	return operations, nil
}

func closeAll(operations []operation) {
	for _, op := range operations {
		op.close()
	}
}

func (l *load) startWorkers(ctx context.Context, cancel context.CancelCauseFunc, wg *sync.WaitGroup, operations []operation) {
	start := time.Now()
	for i, op := range operations {
		w := &worker{load: l, op: op, pace: newPace(l.rate, start, i, len(operations))}
		wg.Go(func() {
			if err := w.repeat(ctx); err != nil {
				cancel(err)
			}
		})
	}
}

// measure switches the phases and returns what passed between.
func (l *load) measure(ctx context.Context) (sample, error) {
	if l.budget == nil {
		if err := l.last(ctx, l.warmup, l.warm); err != nil {
			return sample{}, err
		}
	}
	before, err := l.cpu()
	if err != nil {
		return sample{}, err
	}
	start := time.Now()
	l.phase.Store(counting)
	if err := l.last(ctx, l.duration, l.counted); err != nil {
		return sample{}, err
	}
	l.phase.Store(over)
	elapsed := time.Since(start)
	after, err := l.cpu()
	return sample{elapsed: elapsed, cpu: after - before}, err
}

// last waits for d, and in a closed load then for all connections: a slow peer
// may take longer than d for one turn of 256 of them, and would count as nothing. It
// waits no longer than until the budget is spent.
func (l *load) last(ctx context.Context, d time.Duration, all gate) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.budget.exhausted():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if l.rate > 0 {
		return nil
	}
	select {
	case <-all.open:
		return nil
	case <-l.budget.exhausted():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pause waits for d, or returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// maxLatency is the most that a histogram tells apart; more counts as this.
const maxLatency = 2 * time.Minute

// newHistogram counts nanoseconds with 3 digits from about 100 ns on.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(100, int64(maxLatency), 3)
}
