package health

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Pins that each duration is counted in the first bucket that has room for it.
func TestHistogramBuckets(t *testing.T) {
	for i, bound := range bounds {
		for _, d := range []time.Duration{bound, bound - 1, bound + 1} {
			var h Histogram
			h.Observe(d)
			counted := h.Durations()
			if got, want := counted.AtMost(bound), uint64(1); (got == want) != (d <= bound) {
				t.Errorf("%v: %d at most %v", d, got, bound)
			}
			if i > 0 && counted.AtMost(bounds[i-1]) != 0 {
				t.Errorf("%v: counted as at most %v", d, bounds[i-1])
			}
			if counted.Count() != 1 || counted.Sum != d {
				t.Errorf("%v: count %d, sum %v", d, counted.Count(), counted.Sum)
			}
		}
	}
	if last := bounds[len(bounds)-1]; last != 100*time.Second || bounds[0] != 10*time.Microsecond {
		t.Errorf("bounds from %v to %v", bounds[0], last)
	}
	var h Histogram
	h.Observe(-time.Second)
	h.Observe(time.Hour)
	counted := h.Durations()
	if counted.AtMost(10*time.Microsecond) != 1 || counted.AtMost(100*time.Second) != 1 || counted.Count() != 2 {
		t.Errorf("beyond the bounds: %v", counted)
	}
	if got := counted.Quantile(0.99); got != 100*time.Second {
		t.Errorf("p99 %v, want 100s", got)
	}
}

// Pins that estimates of percentiles are within a third of the truth, and of nothing 0.
func TestHistogramQuantile(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 7))
	var h Histogram
	var all []time.Duration
	for range 10_000 {
		d := time.Duration(random.ExpFloat64() * float64(3*time.Millisecond))
		h.Observe(d)
		all = append(all, d)
	}
	slices.Sort(all)
	counted := h.Durations()
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
		want := all[int(q*float64(len(all)-1))]
		if got := counted.Quantile(q); got < want*2/3 || got > want*3/2 {
			t.Errorf("quantile %v: %v, want about %v", q, got, want)
		}
	}
	h.Observe(time.Second)
	later := h.Durations()
	since := later.Since(&counted)
	if since.Count() != 1 || since.Sum != time.Second || since.Quantile(0.5) > time.Second {
		t.Errorf("since: %d, %v", since.Count(), since.Sum)
	}
	if nothing := counted.Since(&counted); nothing.Quantile(0.99) != 0 {
		t.Errorf("of nothing: %v", nothing.Quantile(0.99))
	}
}

func BenchmarkHistogram(b *testing.B) {
	var h Histogram
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for d := time.Duration(0); b.Loop(); d += 997 {
			h.Observe(d)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				h.Observe(200 * time.Microsecond)
			}
		})
	})
}

func BenchmarkResponded(b *testing.B) {
	backend := NewBackend("a:1")
	b.ReportAllocs()
	for b.Loop() {
		backend.Responded(200, 200*time.Microsecond)
	}
}
