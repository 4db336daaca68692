// Package testkit has helpers that the tests of several packages share.
//
//	testkit.Eventually(t, "the backend is up", func() bool { return b.Up() })
//
// It is for tests alone: no other code imports it.
package testkit

import (
	"testing"
	"time"
)

// Patience bounds a wait that measures nothing. It is long because the machine may be
// busy with other tests.
const Patience = 30 * time.Second

// Eventually polls until the condition holds. It is for conditions that send no event
// which the test could wait for instead. After Patience the test fails.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	Within(t, Patience, what, holds)
}

// Within is Eventually with a time limit that is part of what the test pins. The
// condition is checked once more at the limit, so that a test which was held up
// itself does not fail for it.
func Within(t testing.TB, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	// The first polls are close to each other, for conditions that hold at once. Later
	// ones leave the processor to what is waited for.
	for pause := time.Millisecond; !holds(); pause = min(2*pause, 50*time.Millisecond) {
		select {
		case <-deadline.C:
			if !holds() {
				t.Fatalf("waited %s for: %s", limit, what)
			}
			return
		case <-time.After(pause):
		}
	}
}
