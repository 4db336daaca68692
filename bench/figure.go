package main

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// figure is what one contender did in one scenario, in all rounds.
type figure struct {
	contender contender
	scenario  scenario
	samples   []sample // one a round
	idle      *idleSample
	err       error // the first that there was; the figure is void
}

// rate returns the rate of the sample in sc: operations or gigabytes a second.
func (s sample) rate(sc scenario) float64 {
	rate := float64(s.count) / s.elapsed.Seconds()
	if sc.bytes {
		return rate / 1e9
	}
	return rate
}

// cost returns the processor time for an operation in microseconds, or for a
// gigabyte in milliseconds.
func (s sample) cost(sc scenario) float64 {
	if sc.bytes {
		return float64(s.cpu) / float64(time.Millisecond) / (float64(s.count) / 1e9)
	}
	return float64(s.cpu) / float64(time.Microsecond) / float64(s.count)
}

// latency returns a percentile in microseconds.
func (s sample) latency(percentile float64) float64 {
	return float64(s.hist.ValueAtPercentile(percentile)) / 1e3
}

// merged returns the latencies of all rounds together.
func (f *figure) merged() *hdrhistogram.Histogram {
	all := newHistogram()
	for _, s := range f.samples {
		all.Merge(s.hist)
	}
	return all
}

// overRounds returns the spread of the values that of returns for the samples.
func (f *figure) overRounds(of func(sample) float64) *spread {
	var values []float64
	for _, s := range f.samples {
		values = append(values, of(s))
	}
	return newSpread(values)
}

// against returns subject's value divided by that of f, round by round. It is the zero
// value if a figure is void or there is no ratio.
func (f *figure) against(subject *figure, of func(sample) float64) ratio {
	if subject == nil || f.err != nil || subject.err != nil {
		return ratio{}
	}
	var ratios []float64
	for i := range min(len(f.samples), len(subject.samples)) {
		if own := of(f.samples[i]); own > 0 {
			ratios = append(ratios, of(subject.samples[i])/own)
		}
	}
	return newRatio(ratios)
}
