package main

import (
	"html/template"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// size is that of a chart. Its letters are as large in each, so a phone gets one that
// is drawn for it.
type size struct{ width, height vg.Length }

var (
	broad  = size{24 * vg.Centimeter, 7 * vg.Centimeter}
	narrow = size{9.4 * vg.Centimeter, 7.5 * vg.Centimeter}
)

// latencyChart draws latency by percentile of all contenders of s, with the spread of
// the rounds. To the right every step is one more nine.
func latencyChart(s scenarioReport, as size) (template.HTML, error) {
	p := newPlot("percentile", "")
	p.Y.Scale = plot.LogScale{}
	p.Y.Tick.Marker = decades{shortMicros}
	p.X.Tick.Marker = percentileTicks()
	p.Add(faintGrid())
	for _, f := range s.Figures {
		if err := addLatencies(p, f); err != nil {
			return "", err
		}
	}
	return svg(p, as, "Latency by percentile: "+s.Title)
}

func addLatencies(p *plot.Plot, f figureReport) error {
	values := charted(f.Percentiles)
	if len(values) == 0 {
		return nil
	}
	if len(f.Rounds) > 1 {
		if err := addSpread(p, values, colors[f.Contender]); err != nil {
			return err
		}
	}
	line, err := plotter.NewLine(percentilePoints(values, func(v percentileValue) float64 { return v.Microseconds }))
	if err != nil {
		return err
	}
	line.Color, line.Width = colors[f.Contender], lineWidth(f.Contender)
	p.Add(line)
	return nil
}

// charted leaves out the fastest operations: they are far below all others, and of no
// interest.
func charted(values []percentileValue) []percentileValue {
	return keep(values, func(v percentileValue) bool { return v.Percentile >= 10 })
}

// addSpread shades what lies between the least and the greatest round.
func addSpread(p *plot.Plot, values []percentileValue, c color.NRGBA) error {
	outline := percentilePoints(values, func(v percentileValue) float64 { return v.Max })
	least := percentilePoints(values, func(v percentileValue) float64 { return v.Min })
	slices.Reverse(least)
	shade, err := plotter.NewPolygon(append(outline, least...))
	if err != nil {
		return err
	}
	c.A = 0x28
	shade.Color, shade.LineStyle.Width = c, 0
	p.Add(shade)
	return nil
}

func percentilePoints(values []percentileValue, of func(percentileValue) float64) plotter.XYs {
	points := make(plotter.XYs, len(values))
	for i, v := range values {
		points[i] = plotter.XY{X: nines(v.Percentile), Y: max(of(v), 0.1)} // a logarithm needs more than 0
	}
	return points
}

// nines returns how many nines a percentile has: 90 is 1, 99 is 2.
func nines(percentile float64) float64 {
	return -math.Log10(1 - percentile/100)
}

func percentileTicks() plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for _, p := range []float64{50, 90, 99, 99.9, 99.99} {
		ticks = append(ticks, plot.Tick{Value: nines(p), Label: strconv.FormatFloat(p, 'f', -1, 64)})
	}
	return ticks
}

// shortMicros writes a round number of microseconds.
func shortMicros(us float64) string {
	format := func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
	switch {
	case us >= 1e6:
		return format(us/1e6) + " s"
	case us >= 1e3:
		return format(us/1e3) + " ms"
	}
	return format(us) + " us"
}

func lineWidth(contender string) vg.Length {
	if contender == subject {
		return 2.4
	}
	return 1.3
}

func faintGrid() *plotter.Grid {
	grid := plotter.NewGrid()
	faint := color.NRGBA{0x80, 0x80, 0x80, 0x70}
	grid.Vertical.Color, grid.Horizontal.Color = faint, faint
	return grid
}
