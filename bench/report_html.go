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
	Description  string
	Notes        string
	AnswerTitle  string
	RatioFigures []*ratioFigure
	Blocks       []block
}

// key is an entry of a legend.
type key struct {
	Name  string
	Color template.CSS
}

// block is one scenario with its chart in two widths, which are empty for loads that
// do not measure latency.
type block struct {
	scenarioReport
	Broad, Narrow template.HTML
	Keys          []key
	Spread        bool // the chart has one
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
	"quantity":  quantity,
	"latency":   latencyText,
	"cost":      costText,
	"times":     timesText,
	"rateRange": func(r *ratioReport) string { return r.rate().rangeText() },
	"oneLine":   oneLine,
	"percent":   func(share float64) string { return fmt.Sprintf("%.2f", 100*share) },
	"mib":       func(v int64) string { return mebibytes(float64(v)) },
	"kib":       kibibytes,
	"day":       func(t time.Time) string { return t.Format("2006-01-02 15:04 MST") },
	"gib":       func(mib int64) string { return fmt.Sprintf("%.1f GiB", float64(mib)/1024) },
	"subject":   func() string { return subject },
}

func newPage(r *report) (*page, error) {
	p := &page{report: r, Description: describe(r), AnswerTitle: r.answerTitle(), Notes: r.notes()}
	for _, m := range measures {
		if fig := newRatioFigure(r, m); fig != nil {
			p.RatioFigures = append(p.RatioFigures, fig)
		}
	}
	for _, s := range r.Scenarios {
		b, err := newBlock(s, r.Settings.Rounds > 1)
		if err != nil {
			return nil, err
		}
		p.Blocks = append(p.Blocks, b)
	}
	return p, nil
}

func newBlock(s scenarioReport, spread bool) (b block, err error) {
	b = block{scenarioReport: s, Spread: spread, Keys: legend(s)}
	if len(b.Keys) == 0 {
		return b, nil
	}
	if b.Broad, err = latencyChart(s, broad); err != nil {
		return b, err
	}
	b.Narrow, err = latencyChart(s, narrow)
	return b, err
}

// legend returns the contenders with a line in the chart of s, in their order.
func legend(s scenarioReport) []key {
	var keys []key
	for _, f := range s.Figures {
		if len(f.Percentiles) > 0 {
			keys = append(keys, key{f.Name, cssColor(f.Contender)})
		}
	}
	return keys
}

// RangeWords writes how the rate differed over the rounds.
func (f figureReport) RangeWords() string { return f.rangeText(" to\u00a0") }

func cssColor(contender string) template.CSS {
	c := colors[contender]
	return template.CSS(fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)) // from the table of colors
}
