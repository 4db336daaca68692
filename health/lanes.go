package health

import (
	"context"
	"sync"
)

const (
	// maxProbes is how many probes run at a time.
	maxProbes = 32
	// maxSlow is how many of them may be of backends that are not up: those are the
	// ones that hang, and the others must not wait behind them.
	maxSlow = 24
)

// lanes bounds the probes that run at a time. The zero value is ready for use.
type lanes struct {
	once      sync.Once
	all, slow chan struct{}
}

// enter waits for a place, unless the context is done first. The caller must call
// leave once.
func (l *lanes) enter(ctx context.Context, s State) (leave func(), ok bool) {
	l.once.Do(func() {
		l.all, l.slow = make(chan struct{}, maxProbes), make(chan struct{}, maxSlow)
	})
	if s == Up {
		return func() { <-l.all }, take(ctx, l.all)
	}
	if !take(ctx, l.slow) {
		return nil, false
	}
	if !take(ctx, l.all) {
		<-l.slow
		return nil, false
	}
	return func() { <-l.all; <-l.slow }, true
}

func take(ctx context.Context, places chan<- struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
