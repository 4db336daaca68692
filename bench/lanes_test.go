package main

import (
	"math"
	"slices"
	"testing"
)

func ratesOf(rates ...float64) *report {
	s := scenarioReport{Name: "rt-1", Title: "trips"}
	for i, name := range []string{"direct", "haproxy", "nginx"} {
		if i < len(rates) {
			s.Figures = append(s.Figures, figureReport{
				Contender: name, Name: name, Ratio: &ratioReport{Rate: rates[i], RateRange: &span{rates[i] / 1.5, rates[i] * 1.5}},
			})
		}
	}
	return &report{Settings: settingsReport{Rounds: 3}, Scenarios: []scenarioReport{s}}
}

func TestRatioFigure(t *testing.T) {
	t.Parallel()
	fig := newRatioFigure(ratesOf(0.5, 2), measures[0])
	if fig == nil || len(fig.Rows) != 1 || len(fig.Rows[0].Lanes) != 2 {
		t.Fatalf("got %+v", fig)
	}
	less, more := fig.Rows[0].Lanes[0], fig.Rows[0].Lanes[1]
	if math.Abs(fig.Axis.Even-50) > 0.1 || math.Abs(less.Dot+more.Dot-100) > 0.2 {
		t.Errorf("half and double are not as far from even: %v, %v, %v", less.Dot, fig.Axis.Even, more.Dot)
	}
	if less.Left >= less.Dot || less.Left+less.Width <= less.Dot || less.Left < 0 || more.Left+more.Width > 100 {
		t.Errorf("the spread is not around the dot: %+v, %+v", less, more)
	}
	if more.Text != "2.00 times" || more.Spread != "1.3 to 3.0 over 3 rounds" {
		t.Errorf("got %q, %q", more.Text, more.Spread)
	}
	if got := newRatioFigure(ratesOf(0.5, 2), measures[1]); got != nil {
		t.Errorf("a chart of no ratios: %+v", got)
	}
}

// However far apart the ratios are, the labels of the axis do not touch.
func TestTicksHaveRoom(t *testing.T) {
	t.Parallel()
	for _, rates := range [][]float64{{1}, {0.5, 2}, {0.05, 20}, {0.001, 1000}, {1, 1e6}} {
		axis := newAxis(ratesOf(rates...), measures[0])
		slices.SortFunc(axis.Ticks, func(a, b axisTick) int { return int(1000 * (a.At - b.At)) })
		for i, tick := range axis.Ticks {
			if tick.At < 0 || tick.At > 100 || i > 0 && tick.At-axis.Ticks[i-1].At < minTickGap {
				t.Errorf("%v: ticks %v", rates, axis.Ticks)
			}
		}
		if !slices.ContainsFunc(axis.Ticks, func(tick axisTick) bool { return tick.Label == "1" }) {
			t.Errorf("%v: no tick at 1 in %v", rates, axis.Ticks)
		}
	}
}
