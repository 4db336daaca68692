package l4

import (
	"context"
	"errors"
	"testing"
	"time"

	"fourseven/health"
)

func TestFailedDialIsCountedAndProbed(t *testing.T) {
	b := refusing(t)
	probed := watchProbes(t, health.NewPool(b))
	_, err := (&Dialer{Timeout: wait}).Dial(t.Context(), b)
	var dial *health.DialError
	if !errors.As(err, &dial) || dial.Reason != health.Refused || b.Failures(health.Refused) != 1 {
		t.Fatalf("error %v, %d failures, want refused and 1", err, b.Failures(health.Refused))
	}
	select {
	case <-probed:
	case <-time.After(wait):
		t.Error("not probed")
	}
}

// Pins that a dial which its client gave up is not held against the backend.
func TestCancelledDialIsNotAFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := refusing(t)
	_, err := (&Dialer{Timeout: wait}).Dial(ctx, b)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	for _, reason := range health.Reasons {
		if n := b.Failures(reason); n != 0 {
			t.Errorf("%d failures by %s", n, reason)
		}
	}
}
