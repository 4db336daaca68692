package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
)

// sampleReport is a report with everything that can be in one: made from figures
// as a run makes it, on a machine of the imagination. changes alter what was measured.
func sampleReport(changes ...func(*bench)) *report {
	b := &bench{
		opts: options{
			duration: 350 * time.Millisecond, rounds: 3, rate: 0, command: "go run ./bench -only <some>",
		},
		found: []peerReport{
			{Name: "direct", Version: "no proxy"},
			{Name: "fourseven", Version: "fourseven v1.2.3"},
			{Name: "haproxy", Version: "HAProxy version 2.6.12"},
			{Name: "nginx", Missing: "no nginx on PATH", Packages: "nginx libnginx-mod-stream"},
			{Name: "stdlib", Version: "httputil.ReverseProxy of go1.26.0"},
			{Name: "python", Version: "Python 3.11.2, fastapi 0.92.0"},
		},
	}
	all := selection{scenarios: scenarios(), contenders: contenders()}
	b.opts.only = all.narrow([]string{"rt-64", "bulk-1", "http-1", "http-64", "idle-l4", "direct", "fourseven", "fourseven-l4", "haproxy", "stdlib", "python"})
	b.figures = sampleFigures(b.opts.only)
	b.machine = machineReport{
		OS: "linux 6.1.0", Arch: "amd64", Processor: "Example CPU", Processors: 2, MemoryMiB: 7936, Load: 0.25, Go: "go1.26.0",
	}
	for _, change := range changes {
		change(b)
	}
	rep := newReport(b, time.Now())
	rep.Started, rep.Seconds = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 95.4
	return rep
}

func sampleFigures(only selection) []*figure {
	var figures []*figure
	for i, s := range only.scenarios {
		for j, c := range only.players(s) {
			f := &figure{contender: c, scenario: s}
			fillSample(f, int64(i+1), int64(j+1))
			figures = append(figures, f)
		}
	}
	return figures
}

// fillSample makes up what f has measured, slower for each j.
func fillSample(f *figure, i, j int64) {
	switch {
	case f.scenario.idle:
		f.idle = &idleSample{conns: 1000, rest: usage{resident: 10 << 20 * j}, resident: 4000 * float64(j), descriptors: 2}
		return
	case f.contender.name == "python":
		f.err = errors.New("round 2: read tcp 127.0.0.1:1->127.0.0.1:2:\nconnection reset by peer")
		return
	}
	for round := range int64(3) {
		drift := 100 + 5*(round-1)*j // of the machine, differently for each
		s := sampleOf((30000+1000*round)*drift/100/(i*j), time.Duration(200*j)*time.Millisecond, time.Duration(50*i*j)*time.Microsecond)
		_ = s.hist.RecordValues(int64(time.Duration(j)*3*time.Millisecond), 200)
		if f.scenario.bytes {
			s.count *= 100_000
		}
		f.samples = append(f.samples, s)
	}
}

// The golden is the schema: who reads -json relies on it.
func TestJSONReport(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	if err := writeJSON(&got, sampleReport()); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json.golden", got.Bytes())
	var back report
	dec := json.NewDecoder(&got)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&back); err != nil {
		t.Fatal(err)
	}
	var direct, detour bytes.Buffer
	if err := errors.Join(writeText(&direct, sampleReport()), writeText(&detour, &back)); err != nil {
		t.Fatal(err)
	}
	if direct.String() != detour.String() {
		t.Error("the text made from the JSON differs")
	}
}

func TestTextReport(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	if err := writeText(&got, sampleReport()); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt.golden", got.Bytes())
	for line := range strings.Lines(got.String()) {
		if n := len([]rune(line)) - 1; n > textWidth {
			t.Errorf("%d columns, want at most %d: %s", n, textWidth, line)
		}
	}
}

// Every figure of a run on a loaded machine is marked loaded.
func TestLoadedMachineIsSaidBesideEveryFigure(t *testing.T) {
	t.Parallel()
	rep := sampleReport(func(b *bench) { b.machine.Load, b.machine.Loaded = 3.25, true })
	var text bytes.Buffer
	if err := writeText(&text, rep); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text.String(), "Loaded machine: before the run the load was 3.2 on 2 processors.") {
		t.Errorf("it does not begin with the warning: %.200s", &text)
	}
	figures, marked := 0, 0
	for _, s := range rep.Scenarios {
		for _, f := range s.Figures {
			if figures++; f.Loaded {
				marked++
			}
		}
	}
	if n := strings.Count(text.String(), " loaded\n"); figures != marked || n != figures-rep.voids() {
		t.Errorf("%d lines of %d figures are marked, %d figures in the JSON", n, figures, marked)
	}
	for line := range strings.Lines(text.String()) {
		if n := len([]rune(line)) - 1; n > textWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

var drawing = regexp.MustCompile(`(?s)<svg.*?</svg>`)

// The charts are left out of the golden: their digits depend on the processor.
func TestHTMLReport(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	if err := writeHTML(&got, sampleReport()); err != nil {
		t.Fatal(err)
	}
	charts := drawing.FindAll(got.Bytes(), -1)
	if len(charts) != 2*3 { // of the three scenarios with latencies, for two widths
		t.Errorf("%d charts", len(charts))
	}
	for _, chart := range charts {
		checkChart(t, chart)
	}
	golden(t, "report.html.golden", drawing.ReplaceAll(got.Bytes(), []byte("<svg/>")))
	for _, outside := range []string{"http:", "https:", "src=", "href=", "url("} {
		if text := drawing.ReplaceAllString(got.String(), ""); strings.Contains(text, outside) {
			t.Errorf("the page is not self-contained: %q in it", outside)
		}
	}
}

// checkChart reads the chart as the XML that it is.
func checkChart(t *testing.T, chart []byte) {
	t.Helper()
	shapes := 0
	dec := xml.NewDecoder(bytes.NewReader(chart))
	for {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := token.(xml.StartElement); ok {
			shapes++
		}
	}
	if shapes < 10 || bytes.Contains(chart, []byte("NaN")) || bytes.Contains(chart, []byte("Inf")) {
		t.Errorf("odd chart: %.500s", chart)
	}
}

func TestRatiosInTheReport(t *testing.T) {
	t.Parallel()
	rep := sampleReport()
	if n := rep.voids(); n != 2 {
		t.Errorf("%d void figures, want 2", n)
	}
	for _, f := range rep.Scenarios[0].Figures {
		switch {
		case f.Contender == subject && f.Ratio != nil:
			t.Errorf("%s is compared with itself", subject)
		case f.Contender == "direct" && (f.CPU != nil || f.Ratio.CPU != 0):
			t.Error("no proxy has used processor time")
		case f.Contender == "haproxy" && math.Abs(f.Ratio.Rate-1.5) > 0.001: // it is made up so
			t.Errorf("ratio %v, want 1.5", f.Ratio.Rate)
		}
	}
}

func TestEveryContenderCanBeToldApart(t *testing.T) {
	t.Parallel()
	seen := map[any]string{}
	for _, c := range contenders() {
		shade, ok := colors[c.name]
		if !ok || seen[shade] != "" {
			t.Errorf("%s has no color of its own", c.name)
		}
		seen[shade] = c.name
		for p := range c.through {
			key := fmt.Sprint(p, c.title(p))
			if c.full == "" || seen[key] != "" {
				t.Errorf("%s has no name of its own: %q", c.name, c.title(p))
			}
			seen[key] = c.name
		}
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	tests := []struct{ got, want string }{
		{quantity(1234567.4), "1,234,567"},
		{quantity(999.6), "1,000"},
		{quantity(12.34), "12.3"},
		{quantity(1.234), "1.23"},
		{micros(0.4), "0.40 us"},
		{micros(99.96), "100 us"},
		{micros(1234), "1.23 ms"},
		{micros(2_500_000), "2.50 s"},
		{ratioText(0), "-"},
		{ratioText(1.005), "1.00 times"},
		{ratioText(0.004), "<.01 times"},
		{ratio{median: 1.44}.words(), "1.4 times"},
		{ratio{median: 0.996}.words(), "1.0 times"},
		{ratio{median: 0.614}.words(), "0.61 times"},
		{ratio{median: 12.3}.words(), "12 times"},
		{ratio{median: 1.4, around: &span{1.32, 1.5}}.rangeWords(3), "1.3 to 1.5 over 3 rounds"},
		{strings.Join(wrap("a bb  cc é", 4), "|"), "a bb|cc é"},
		{shortMicros(50), "50 us"},
		{shortMicros(2000), "2 ms"},
		{kibibytes(4096), "4.0 KiB"},
		{oneLine("a\n b"), "a b"},
		{oneLine(strings.Repeat("é", 400)), strings.Repeat("é", 300) + "..."},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
