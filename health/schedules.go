package health

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// schedules runs one goroutine for each key of a list that changes: those that join
// get one, and that of one that leaves is ended.
type schedules[K comparable] struct {
	// list returns the keys.
	list func() []K
	// changedc receives a signal when the list has changed.
	changedc <-chan struct{}
	// run works for one key until its context is done. phase, above 0 and at most 1,
	// is another one for each key, so that they do not run in step.
	run func(ctx context.Context, key K, phase float64)
}

// follow follows the list until the context is done, and returns when all that it
// started has ended.
func (s schedules[K]) follow(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	running := map[K]context.CancelFunc{}
	for {
		s.update(ctx, running, &wg)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.changedc:
		}
	}
}

// update starts goroutines for new keys, and ends those of keys that left the list.
func (s schedules[K]) update(ctx context.Context, running map[K]context.CancelFunc, wg *sync.WaitGroup) {
	keys := s.list()
	listed := make(map[K]bool, len(keys))
	offset := 1 - rand.Float64() // instances that start together do not begin in step
	for i, key := range keys {
		listed[key] = true
		if running[key] != nil {
			continue
		}
		mine, cancel := context.WithCancel(ctx)
		running[key] = cancel
		phase := (float64(i) + offset) / float64(len(keys))
		wg.Go(func() { s.run(mine, key, phase) })
	}
	for key, cancel := range running {
		if !listed[key] {
			cancel()
			delete(running, key)
		}
	}
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
