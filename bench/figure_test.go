package main

import (
	"errors"
	"math"
	"testing"
	"time"
)

// sampleOf returns a sample of a second whose operations all took latency.
func sampleOf(count int64, cpu, latency time.Duration) sample {
	s := sample{count: count, elapsed: time.Second, cpu: cpu, hist: newHistogram()}
	_ = s.hist.RecordValues(int64(latency), count)
	return s
}

func rateOf(s sample) float64 { return s.rate(scenario{}) }

// A machine that halves its speed between rounds leaves each round's own ratio
// as it was, where the ratio of the medians would not.
func TestRatioIsTakenRoundByRound(t *testing.T) {
	t.Parallel()
	own, other := &figure{}, &figure{}
	for _, n := range []int64{800, 400, 200} {
		own.samples = append(own.samples, sampleOf(n*2, 0, time.Millisecond))
		other.samples = append(other.samples, sampleOf(n, 0, time.Millisecond))
	}
	other.samples[2] = sampleOf(2000, 0, time.Millisecond) // one round is off
	got := other.against(own, rateOf)
	if got.median != 2 || *got.around != (span{0.2, 2}) {
		t.Errorf("ratio %v in %v, want 2 in 0.2 to 2", got.median, got.around)
	}
	if got := got.inverse(); got.median != 0.5 || *got.around != (span{0.5, 5}) {
		t.Errorf("inverse %v in %v, want 0.5 in 0.5 to 5", got.median, got.around)
	}
}

func TestRatioOfVoidIsNone(t *testing.T) {
	t.Parallel()
	good := &figure{samples: []sample{sampleOf(10, 0, 1)}}
	void := &figure{samples: []sample{sampleOf(10, 0, 1)}, err: errors.New("reset")}
	for _, got := range []ratio{good.against(void, rateOf), void.against(good, rateOf), good.against(nil, rateOf)} {
		if got != (ratio{}) || got.inverse() != (ratio{}) {
			t.Errorf("got %v, want none", got)
		}
	}
}

func TestSampleUnits(t *testing.T) {
	t.Parallel()
	s := sample{count: 3e9, elapsed: 2 * time.Second, cpu: 600 * time.Millisecond}
	bytes := scenario{bytes: true}
	if got := s.rate(bytes); got != 1.5 {
		t.Errorf("%v GB/s, want 1.5", got)
	}
	if got := s.cost(bytes); got != 200 {
		t.Errorf("%v ms/GB, want 200", got)
	}
	s = sampleOf(20000, 500*time.Millisecond, 40*time.Microsecond)
	if got := s.cost(scenario{}); got != 25 {
		t.Errorf("%v us/op, want 25", got)
	}
	if got := s.latency(99); math.Abs(got-40) > 0.1 {
		t.Errorf("p99 %v us, want 40", got)
	}
}
