package main

import (
	"html/template"
	"math"
	"slices"
	"strconv"
)

// ratioFigure is the chart of one measure: a row a scenario, in it a lane for each
// other contender. It is made of elements and CSS, so that it fits every width.
type ratioFigure struct {
	Title string
	More  bool // more is better, so the right of the line is
	Axis  axis
	Rows  []ratioRow
}

// ratioRow is one scenario.
type ratioRow struct {
	Title string
	Lanes []lane
}

// lane is one ratio, with the spread of the rounds. Positions are percentages of the
// width.
type lane struct {
	Name   string
	Color  template.CSS
	Dot    float64
	Left   float64 // of the spread
	Width  float64
	Text   string
	Spread string // in words, "" for a single round
	Loaded bool
}

// newRatioFigure returns the chart of m, or nil if there is no ratio.
func newRatioFigure(r *report, m measure) *ratioFigure {
	ax := newAxis(r, m)
	fig := &ratioFigure{Title: m.title, More: m.more, Axis: ax}
	for _, s := range r.Scenarios {
		row := ratioRow{Title: s.Title}
		for _, f := range s.Figures {
			if ratio := s.ratio(f.Contender, m); ratio.median > 0 {
				row.Lanes = append(row.Lanes, ax.lane(f, ratio, r.Settings.Rounds))
			}
		}
		if len(row.Lanes) > 0 {
			fig.Rows = append(fig.Rows, row)
		}
	}
	if len(fig.Rows) == 0 {
		return nil
	}
	return fig
}

func (a axis) lane(f figureReport, r ratio, rounds int) lane {
	l := lane{
		Name: f.Name, Color: cssColor(f.Contender), Dot: a.at(r.median),
		Text: ratioText(r.median), Spread: r.rangeWords(rounds), Loaded: f.Loaded,
	}
	if r.around != nil {
		l.Left = a.at(r.around.Min)
		l.Width = a.at(r.around.Max) - l.Left
	}
	return l
}

// axis is a logarithmic scale of ratios, the same for all rows of a chart.
type axis struct {
	lo, hi float64
	Even   float64 // where 1 is
	Ticks  []axisTick
}

type axisTick struct {
	At    float64
	Label string
}

// newAxis returns the axis on which all ratios of m have their place, and 1.
func newAxis(r *report, m measure) axis {
	lo, hi := 0.8, 1.25
	for _, s := range r.Scenarios {
		for _, f := range s.Figures {
			ratio := s.ratio(f.Contender, m)
			if ratio.median == 0 {
				continue
			}
			lo, hi = min(lo, ratio.median), max(hi, ratio.median)
			if ratio.around != nil {
				lo, hi = min(lo, ratio.around.Min), max(hi, ratio.around.Max)
			}
		}
	}
	a := axis{lo: lo / 1.1, hi: hi * 1.1}
	a.Even = a.at(1)
	for _, v := range []float64{1, 0.1, 10, 0.01, 100, 0.5, 2} { // the first have precedence
		a.addTick(v)
	}
	return a
}

// minTickGap is how far apart ticks are at least, in percent of the width, so that their
// labels do not touch on a phone.
const minTickGap = 12

// addTick adds a tick at v if v is on the axis and there is room.
func (a *axis) addTick(v float64) {
	at := a.at(v)
	crowded := func(t axisTick) bool { return math.Abs(t.At-at) < minTickGap }
	if v > a.lo && v < a.hi && !slices.ContainsFunc(a.Ticks, crowded) {
		a.Ticks = append(a.Ticks, axisTick{at, strconv.FormatFloat(v, 'f', -1, 64)})
	}
}

// at returns where v is, in percent of the width.
func (a axis) at(v float64) float64 {
	if v <= 0 {
		return 0
	}
	share := math.Log(v/a.lo) / math.Log(a.hi/a.lo)
	return math.Round(1000*min(max(share, 0), 1)) / 10
}
