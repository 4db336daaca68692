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

// Patience bounds what a test waits for where it measures nothing: a busy machine may
// be slow.
const Patience = 20 * time.Second

// Eventually waits until a condition holds that the test cannot wait for in another
// way. It fails the test, with what was to hold, after Patience.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			if !holds() {
				t.Fatalf("not within %s: %s", Patience, what)
			}
			return
		case <-tick.C:
		}
	}
}
