package main

import (
	"html/template"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// ratioChart draws the ratios of m, a row a scenario, a dot a contender, and a
// line where both are equal. It is empty if there is no ratio.
func ratioChart(r *report, m measure) (template.HTML, error) {
	rows := keep(r.Scenarios, func(s scenarioReport) bool { return s.hasRatio(m) })
	if len(rows) == 0 {
		return "", nil
	}
	p := newPlot("", "")
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = decades{func(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) }}
	p.Add(faintGrid(), evenLine(len(rows)))
	for _, name := range rivals(r, m) {
		dots, err := plotter.NewScatter(ratioPoints(rows, name, m))
		if err != nil {
			return "", err
		}
		dots.GlyphStyle = draw.GlyphStyle{Color: colors[name], Radius: 4, Shape: draw.CircleGlyph{}}
		p.Add(dots)
	}
	nameRows(p, rows)
	p.X.Min, p.X.Max = roundDown(p.X.Min), roundUp(p.X.Max)
	height := vg.Length(len(rows))*0.75*vg.Centimeter + 2*vg.Centimeter
	return svg(p, 24*vg.Centimeter, height, m.title)
}

func (s *scenarioReport) hasRatio(m measure) bool {
	for _, f := range s.Figures {
		if f.Ratio != nil && m.of(f.Ratio).median > 0 {
			return true
		}
	}
	return false
}

// ratioPoints returns the dots of one contender. The first scenario is at the top.
func ratioPoints(rows []scenarioReport, name string, m measure) plotter.XYs {
	var points plotter.XYs
	for i, s := range rows {
		if v := s.ratio(name, m).median; v > 0 {
			points = append(points, plotter.XY{X: v, Y: float64(len(rows) - 1 - i)})
		}
	}
	return points
}

// evenLine is at the ratio 1.
func evenLine(rows int) *plotter.Line {
	line := &plotter.Line{XYs: plotter.XYs{{X: 1, Y: -0.5}, {X: 1, Y: float64(rows) - 0.5}}}
	line.LineStyle = plotter.DefaultLineStyle
	line.Width = 1.5
	return line
}

func nameRows(p *plot.Plot, rows []scenarioReport) {
	names := make([]string, len(rows))
	for i, s := range rows {
		names[len(rows)-1-i] = s.Name
	}
	p.NominalY(names...)
	p.Y.Min, p.Y.Max = -0.5, float64(len(rows))-0.5
}
