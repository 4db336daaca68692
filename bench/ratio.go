package main

import (
	"fmt"
	"slices"
)

// ratioReport holds fourseven's values divided by those of another: the median of the
// rounds' own ratios. 0, left out, is none. A range is the least and the greatest of
// the rounds; there is none for a single round.
type ratioReport struct {
	Rate      float64 `json:"rate,omitempty"`
	RateRange *span   `json:"rate_range,omitempty"`
	P99       float64 `json:"p99,omitempty"`
	P99Range  *span   `json:"p99_range,omitempty"`
	CPU       float64 `json:"cpu,omitempty"`
	CPURange  *span   `json:"cpu_range,omitempty"`
}

// ratio is one of them.
type ratio struct {
	median float64
	around *span // nil for a single round
}

func (r *ratioReport) rate() ratio { return ratio{r.Rate, r.RateRange} }
func (r *ratioReport) p99() ratio  { return ratio{r.P99, r.P99Range} }
func (r *ratioReport) cpu() ratio  { return ratio{r.CPU, r.CPURange} }

// span is the least and the greatest of some values.
type span struct {
	Min float64 `json:"min"`
	Max float64 `json:"max"`
}

// newRatio returns the ratio that the rounds' own ratios make.
func newRatio(ratios []float64) ratio {
	r := ratio{median: median(ratios)}
	if len(ratios) > 1 {
		r.around = &span{slices.Min(ratios), slices.Max(ratios)}
	}
	return r
}

func (r ratio) parts() (float64, *span) { return r.median, r.around }

// inverse returns the ratio of the other to fourseven.
func (r ratio) inverse() ratio {
	if r.median == 0 {
		return r
	}
	r.median = 1 / r.median
	if r.around != nil {
		r.around = &span{1 / r.around.Max, 1 / r.around.Min}
	}
	return r
}

// even reports whether the two are within 5 % of each other.
func (r ratio) even() bool { return r.median > 0.95 && r.median < 1.05 }

// certain reports whether the same one of the two is greater in every round.
func (r ratio) certain() bool {
	return r.around == nil || r.around.Min > 1 || r.around.Max < 1
}

// words writes the ratio in two digits: 1.4 times.
func (r ratio) words() string { return twoDigits(r.median) + " times" }

// rangeWords writes how the rounds differed, "" for a single round.
func (r ratio) rangeWords(rounds int) string {
	if r.around == nil {
		return ""
	}
	least, greatest := twoDigits(r.around.Min), twoDigits(r.around.Max)
	if least == greatest {
		return fmt.Sprintf("the same in all %d rounds", rounds)
	}
	words := fmt.Sprintf("%s to %s over %d rounds", least, greatest, rounds)
	if !r.certain() && !r.even() {
		words += ", so not certain"
	}
	return words
}

// rangeText writes the least and the greatest of the rounds, "" for a single round.
func (r ratio) rangeText() string {
	if r.around == nil {
		return ""
	}
	return threeDigits(r.around.Min) + " to " + threeDigits(r.around.Max)
}

// measure is what ratios are taken of.
type measure struct {
	title string
	more  bool // is better
	of    func(*ratioReport) ratio
}

var measures = []measure{
	{"Rate: fourseven does so many times what the other does (more is better)", true, (*ratioReport).rate},
	{"99th percentile of latency: fourseven's is so many times the other's (less is better)", false, (*ratioReport).p99},
	{"Processor time per operation or byte: fourseven's is so many times the other's (less is better)", false, (*ratioReport).cpu},
}

// rivals returns the contenders with a ratio of m in any scenario, in their order.
func rivals(r *report, m measure) []string {
	var names []string
	for _, c := range contenders() {
		if slices.ContainsFunc(r.Scenarios, func(s scenarioReport) bool { return s.ratio(c.name, m).median > 0 }) {
			names = append(names, c.name)
		}
	}
	return names
}

// ratio returns the ratio to the contender, or the zero value for none.
func (s *scenarioReport) ratio(name string, m measure) ratio {
	if f := s.figure(name); f != nil && f.Ratio != nil {
		return m.of(f.Ratio)
	}
	return ratio{}
}

// figure returns the figure of the contender, or nil.
func (s *scenarioReport) figure(contender string) *figureReport {
	for i := range s.Figures {
		if s.Figures[i].Contender == contender {
			return &s.Figures[i]
		}
	}
	return nil
}
