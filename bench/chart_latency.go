package main

import (
	"html/template"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// latencyChart draws latency by percentile of all contenders of s. To the right
// every step is one more nine.
func latencyChart(s scenarioReport) (template.HTML, error) {
	p := newPlot("percentile", "")
	p.Y.Scale = plot.LogScale{}
	p.Y.Tick.Marker = decades{shortMicros}
	p.X.Tick.Marker = percentileTicks()
	p.Add(faintGrid())
	for _, f := range s.Figures {
		if len(f.Percentiles) == 0 {
			continue
		}
		line, err := plotter.NewLine(percentilePoints(f.Percentiles))
		if err != nil {
			return "", err
		}
		line.Color, line.Width = colors[f.Contender], lineWidth(f.Contender)
		p.Add(line)
	}
	return svg(p, 24*vg.Centimeter, 7*vg.Centimeter, "Latency by percentile: "+s.Title)
}

func percentilePoints(values []percentileValue) plotter.XYs {
	points := make(plotter.XYs, len(values))
	for i, v := range values {
		points[i] = plotter.XY{X: nines(v.Percentile), Y: max(v.Microseconds, 0.1)} // a logarithm needs more than 0
	}
	return points
}

// nines returns how many nines a percentile has: 90 is 1, 99 is 2.
func nines(percentile float64) float64 {
	return -math.Log10(1 - percentile/100)
}

func percentileTicks() plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for _, p := range []float64{0, 50, 90, 99, 99.9, 99.99} {
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
