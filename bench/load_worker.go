package main

import (
	"context"
	"time"
)

// worker repeats the operation of one connection. It keeps what it measures to
// itself until its buffer is full, so that workers rarely meet at the lock.
type worker struct {
	load *load
	op   operation
	pace pace

	warm, counted bool // it has passed the load's gates
	count         int64
	n             int
	times         [256]time.Duration
}

// repeat does the operation until the load is over or ctx is done, and returns
// the first error.
func (w *worker) repeat(ctx context.Context) error {
	defer w.flush()
	for w.load.phase.Load() != over && w.load.budget.take() {
		start, err := w.pace.await(ctx)
		if err != nil {
			return nil // the load says why
		}
		n, err := w.op.do()
		if err != nil {
			return err
		}
		w.note(n, start)
		w.load.budget.done()
	}
	return nil
}

// note counts an operation that has been done, if the phase is to be counted.
func (w *worker) note(n int64, start time.Time) {
	if !w.warm {
		w.warm = true
		w.load.warm.pass()
	}
	if w.load.phase.Load() != counting {
		return
	}
	w.record(n, time.Since(start))
	if !w.counted {
		w.counted = true
		w.load.counted.pass()
	}
}

func (w *worker) record(n int64, d time.Duration) {
	w.count += n
	w.times[w.n] = min(d, maxLatency)
	if w.n++; w.n == len(w.times) {
		w.flush()
	}
}

func (w *worker) flush() {
	w.load.mu.Lock()
	defer w.load.mu.Unlock()
	w.load.count += w.count
	for _, d := range w.times[:w.n] {
		_ = w.load.hist.RecordValue(int64(d)) // in range: record has seen to it
	}
	w.count, w.n = 0, 0
}
