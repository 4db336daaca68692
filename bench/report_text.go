package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// writeText writes the report for a terminal of textWidth columns.
func writeText(w io.Writer, r *report) error {
	var t textReport
	t.answer(r)
	t.head(r)
	for _, s := range r.Scenarios {
		t.scenario(s)
	}
	for _, m := range measures {
		t.ratios(r, m)
	}
	t.foot(r)
	_, err := io.WriteString(w, t.String())
	return err
}

// textWidth is how many columns the text takes at most.
const textWidth = 100

// textReport collects the lines.
type textReport struct{ strings.Builder }

func (t *textReport) linef(format string, args ...any) {
	t.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

func (t *textReport) head(r *report) {
	m := r.Machine
	t.linef("%s  %s", r.Started.Format("2006-01-02 15:04 MST"), r.Command)
	t.linef("%s, %d processors (%s), %.1f GiB, load before %.2f, %s", m.OS, m.Processors, orUnknown(m.Processor),
		float64(m.MemoryMiB)/1024, m.Load, m.Go)
	t.linef("%s", describe(r))
	for _, p := range r.Peers {
		if p.Missing != "" {
			t.linef("  %-12s missing: %s%s", p.Name, p.Missing, packageHint(p.Packages))
		} else {
			t.linef("  %-12s %s", p.Name, p.Version)
		}
	}
}

// describe returns how it was measured, in a sentence.
func describe(r *report) string {
	load := "closed load"
	if r.Settings.Rate > 0 {
		load = fmt.Sprintf("open load of %d operations a second", r.Settings.Rate)
	}
	sample := seconds(r.Settings.SampleSeconds).String()
	if r.Settings.Requests > 0 {
		sample += " or " + thousands(int64(r.Settings.Requests)) + " operations"
	}
	return fmt.Sprintf("rounds: %d, a sample: %s, %s, %s in all", r.Settings.Rounds,
		sample, load, seconds(r.Seconds).Round(time.Second))
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond)
}

// answer writes the warning of a loaded machine, and the answer on L4 or L7.
func (t *textReport) answer(r *report) {
	if r.Machine.Loaded {
		t.paragraph(r.Machine.LoadWarning())
	}
	if len(r.Answer) == 0 {
		return
	}
	t.linef("%s", r.answerTitle())
	for _, text := range r.Answer {
		t.paragraph(text)
	}
}

// paragraph writes text in lines of up to textWidth columns, and an empty line.
func (t *textReport) paragraph(text string) {
	for _, line := range wrap(text, textWidth) {
		t.linef("%s", line)
	}
	t.linef("")
}

func (t *textReport) scenario(s scenarioReport) {
	t.linef("\n%s  %s", s.Name, s.Title)
	if s.Unit == "" {
		t.linef("  %-12s %14s %16s %20s %12s", "", "at rest", "a connection", "descriptors each", "CPU idle")
	} else {
		t.linef("  %-12s %9s %19s %8s %8s %8s %9s  %s", "", s.Unit, "min..max", "p50", "p99", "p99.9", "CPU "+s.CPUUnit, "fourseven does")
	}
	for _, f := range s.Figures {
		t.figure(f)
	}
}

func (t *textReport) figure(f figureReport) {
	mark := ""
	if f.Loaded {
		mark = "loaded"
	}
	switch {
	case f.Void != "":
		t.linef("  %-12s void: %s", f.Contender, oneLine(f.Void))
	case f.Idle != nil:
		t.linef("  %-12s %14s %16s %20.2f %11.2f%% %s", f.Contender, mebibytes(float64(f.Idle.RestBytes)),
			kibibytes(f.Idle.BytesPerConnection), f.Idle.DescriptorsPerConnection, 100*f.Idle.ProcessorShare, mark)
	default:
		t.linef("  %-12s %9s %19s %8s %8s %8s %9s  %-10s %s", f.Contender, quantity(f.Rate.Median), f.rangeText(".."),
			latencyText(f.P50), latencyText(f.P99), latencyText(f.P999), costText(f.CPU), timesText(f.Ratio), mark)
	}
}

// rangeText writes how the rate differed over the rounds: least, to, greatest.
func (f *figureReport) rangeText(to string) string {
	if len(f.Rounds) == 1 {
		return "one round"
	}
	return quantity(f.Rate.Min) + to + quantity(f.Rate.Max)
}

// ratios writes one measure's table, with a line a scenario.
func (t *textReport) ratios(r *report, m measure) {
	names := rivals(r, m)
	if len(names) == 0 {
		return
	}
	t.linef("\n%s", m.title)
	t.linef("  %-14s%s", "", columns(names, func(name string) string { return name }))
	for _, s := range r.Scenarios {
		line := columns(names, func(name string) string { return ratioText(s.ratio(name, m).median) })
		if strings.Trim(line, " -") != "" {
			t.linef("  %-14s%s", s.Name, line)
		}
	}
}

func columns(names []string, text func(string) string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%*s", max(len(name), len("1.00 times"))+1, text(name))
	}
	return b.String()
}

func (t *textReport) foot(r *report) {
	t.linef("")
	t.paragraph(r.notes())
	if n := r.voids(); n > 0 {
		t.linef("void figures: %d, because of an error in a worker", n)
	}
}

// notes returns what a reader needs to know to read the figures right.
func (r *report) notes() string {
	const ratios = "Figures are medians over the rounds, with the least and the greatest beside them. That fourseven does " +
		"1.4 times means that its rate is 1.4 times that of the row, taken round by round. "
	if r.Settings.Target != "" {
		return ratios + "Load generator and fourseven share this machine. Processor time is fourseven's alone."
	}
	return ratios + "Load generator, backends and peers share the machine. Processor time is the peer's alone, all its " +
		"processes. Memory at rest counts what a peer's processes share once for each of them, and includes what HAProxy " +
		"and nginx set aside for connections when they start."
}
