package main

import (
	"bytes"
	"html"
	"html/template"
	"image/color"
	"math"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// colors are the contenders', chosen to be told apart on white and on black.
var colors = map[string]color.NRGBA{
	"direct":       {0x86, 0x8e, 0x96, 0xff},
	"fourseven":    {0xe0, 0x31, 0x31, 0xff},
	"fourseven-l4": {0xf0, 0x8c, 0x00, 0xff},
	"haproxy":      {0x1c, 0x7e, 0xd6, 0xff},
	"nginx":        {0x2f, 0x9e, 0x44, 0xff},
	"stdlib":       {0xae, 0x3e, 0xc9, 0xff},
	"fasthttp":     {0xa9, 0x74, 0x4f, 0xff},
	"python":       {0x0c, 0x85, 0x99, 0xff},
}

// newPlot returns an empty chart without a ground of its own, in the page's
// letters.
func newPlot(xLabel, yLabel string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.X.Label.Text, p.Y.Label.Text = xLabel, yLabel
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		for _, f := range []*font.Font{&axis.Label.TextStyle.Font, &axis.Tick.Label.Font} {
			f.Variant, f.Size = "Sans", 9
		}
	}
	return p
}

// svg draws p as an element to be put into a page. CSS gives the letters and
// axes the page's colour.
func svg(p *plot.Plot, as size, label string) (template.HTML, error) {
	canvas := vgsvg.New(as.width, as.height)
	p.Draw(draw.New(canvas))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", err
	}
	_, drawing, _ := strings.Cut(b.String(), "<svg") // an XML declaration has no place in a page
	return template.HTML(`<svg role="img" aria-label="` + html.EscapeString(label) + `"` + drawing), nil
}

// decades are ticks at 1, 2 and 5 of each power of ten.
type decades struct{ label func(float64) string }

// Ticks returns the ticks from lo to hi, which are positive.
func (d decades) Ticks(lo, hi float64) []plot.Tick {
	var ticks []plot.Tick
	for power := math.Pow10(int(math.Floor(math.Log10(lo)))); power <= hi; power *= 10 {
		for _, factor := range []float64{1, 2, 5} {
			if v := power * factor; v >= lo*0.999 && v <= hi*1.001 {
				ticks = append(ticks, plot.Tick{Value: v, Label: d.label(v)})
			}
		}
	}
	return ticks
}
