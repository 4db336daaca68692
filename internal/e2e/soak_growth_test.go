//go:build linux

package e2e

import (
	"slices"
	"testing"
)

// life is what a process was measured to hold, from when it was ready until it had a
// successor.
type life struct {
	name                            string
	of                              *balancer
	memory, descriptors, goroutines []int
}

func (l *life) sample() {
	l.of.t.Helper()
	l.memory = append(l.memory, l.of.resident()>>10)
	l.descriptors = append(l.descriptors, l.of.descriptors())
	l.goroutines = append(l.goroutines, l.of.goroutines())
}

// report prints how the process grew, and fails the test if it did by more than the
// traffic's ups and downs.
func (l *life) report(t *testing.T) {
	t.Helper()
	for _, what := range []struct {
		name    string
		samples []int
		slack   int
	}{{"KiB resident", l.memory, 16 << 10}, {"descriptors", l.descriptors, 50}, {"goroutines", l.goroutines, 50}} {
		n := len(what.samples)
		if n < 8 {
			t.Logf("%s: %d samples, which say nothing", l.name, n)
			return
		}
		early, late := median(what.samples[n/4:n/2]), median(what.samples[3*n/4:])
		t.Logf("%-13s %8d early, %8d late, %8d at most %s", l.name, early, late, slices.Max(what.samples), what.name)
		if late > early+early/4+what.slack {
			t.Errorf("%s: grew from %d to %d %s", l.name, early, late, what.name)
		}
	}
}

func median(samples []int) int {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[len(sorted)/2]
}
