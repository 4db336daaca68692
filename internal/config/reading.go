package config

import (
	"context"
	"fmt"
)

// Reading calls a function that reads files, again and again. While one call hangs, it
// begins no other: nothing ends a read that hangs in the kernel. Its method is for one
// goroutine.
type Reading[T any] struct {
	pending chan T // of a call that has not been waited for to its end; nil without
}

// Wait returns what the function returns. It returns early with an error when the context is
// done, and after fileTimeout; the next Wait then waits for the same call.
func (r *Reading[T]) Wait(ctx context.Context, read func() T) (result T, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, fileTimeout, fmt.Errorf("not read within %s", fileTimeout))
	defer cancel()
	if r.pending == nil {
		pending := make(chan T, 1)
		r.pending = pending
		go func() { pending <- read() }()
	}
	select {
	case result = <-r.pending:
		r.pending = nil
		return result, nil
	case <-ctx.Done():
		return result, context.Cause(ctx)
	}
}
