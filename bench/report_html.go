package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"
)

//go:embed report.html.tmpl
var pageText string

// page is what the template is filled with.
type page struct {
	*report
	Description string
	Notes       string
	Keys        []key
	RatioCharts []ratioFigure
	Blocks      []block
}

// key is an entry of the legend.
type key struct {
	Name  string
	Color template.CSS
}

// ratioFigure is the chart of one measure.
type ratioFigure struct {
	Title string
	Chart template.HTML
}

// block is one scenario with its chart, which is empty for loads that do not
// measure latency.
type block struct {
	scenarioReport
	Chart template.HTML
}

// writeHTML writes the report as one page that needs no other file.
func writeHTML(w io.Writer, r *report) error {
	tmpl, err := template.New("page").Funcs(pageFuncs).Parse(pageText)
	if err != nil {
		return err
	}
	p, err := newPage(r)
	if err != nil {
		return err
	}
	return tmpl.Execute(w, p)
}

var pageFuncs = template.FuncMap{
	"quantity": quantity,
	"latency":  latencyText,
	"cost":     costText,
	"times":    timesText,
	"oneLine":  oneLine,
	"percent":  func(share float64) string { return fmt.Sprintf("%.2f", 100*share) },
	"mib":      func(v int64) string { return mebibytes(float64(v)) },
	"kib":      kibibytes,
	"day":      func(t time.Time) string { return t.Format("2006-01-02 15:04 MST") },
	"gib":      func(mib int64) string { return fmt.Sprintf("%.1f GiB", float64(mib)/1024) },
	"subject":  func() string { return subject },
}

func newPage(r *report) (*page, error) {
	p := &page{report: r, Description: describe(r), Notes: notes, Keys: legend(r)}
	for _, m := range measures {
		chart, err := ratioChart(r, m)
		if err != nil {
			return nil, err
		}
		if chart != "" {
			p.RatioCharts = append(p.RatioCharts, ratioFigure{m.title, chart})
		}
	}
	for _, s := range r.Scenarios {
		b, err := newBlock(s)
		if err != nil {
			return nil, err
		}
		p.Blocks = append(p.Blocks, b)
	}
	return p, nil
}

func newBlock(s scenarioReport) (block, error) {
	for _, f := range s.Figures {
		if len(f.Percentiles) > 0 {
			chart, err := latencyChart(s)
			return block{s, chart}, err
		}
	}
	return block{s, ""}, nil
}

// legend returns the contenders that have a figure, in their order.
func legend(r *report) []key {
	present := map[string]bool{}
	for _, s := range r.Scenarios {
		for _, f := range s.Figures {
			present[f.Contender] = true
		}
	}
	var keys []key
	for _, c := range contenders() {
		if present[c.name] {
			keys = append(keys, key{c.name, cssColor(c.name)})
		}
	}
	return keys
}

func cssColor(contender string) template.CSS {
	c := colors[contender]
	return template.CSS(fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)) // from the table of colors
}
