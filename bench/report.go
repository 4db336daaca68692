package main

import (
	"time"
)

// schemaVersion changes when a field of report is renamed, removed or gets
// another meaning; fields may be added without.
const schemaVersion = 1

// report is the whole result, and the schema of -json. The text and the page are
// made from it alone. A field that does not apply is left out.
type report struct {
	Schema    int              `json:"schema"`
	Started   time.Time        `json:"started"`
	Seconds   float64          `json:"seconds"` // how long the whole run took
	Command   string           `json:"command"`
	Settings  settingsReport   `json:"settings"`
	Machine   machineReport    `json:"machine"`
	Peers     []peerReport     `json:"peers"`
	Answer    []string         `json:"answer,omitempty"` // L4 or L7? A paragraph each
	Scenarios []scenarioReport `json:"scenarios"`
}

// settingsReport is how it was measured.
type settingsReport struct {
	SampleSeconds float64 `json:"sample_seconds"` // without the warm-up
	Rounds        int     `json:"rounds"`
	Rate          int     `json:"rate,omitempty"`     // operations a second offered; none for a closed load
	Target        string  `json:"target,omitempty"`   // the service that was measured in place of the bench's backends
	Requests      int     `json:"requests,omitempty"` // of a sample at most, for a target
}

// machineReport is where it was measured. It names no host and no user.
type machineReport struct {
	OS         string  `json:"os"` // with the kernel's version
	Arch       string  `json:"arch"`
	Processor  string  `json:"processor"`
	Processors int     `json:"processors"`
	MemoryMiB  int64   `json:"memory_mib"`
	Load       float64 `json:"load_average"`     // of the minute before the run
	Loaded     bool    `json:"loaded,omitempty"` // by more than its processors can do at once
	Go         string  `json:"go"`               // that built the bench
}

// peerReport holds the version of a peer, or why it is missing.
type peerReport struct {
	Name     string `json:"name"`
	Version  string `json:"version,omitempty"`
	Missing  string `json:"missing,omitempty"`
	Packages string `json:"packages,omitempty"` // Debian's, which bring it
}

// scenarioReport is one kind of load, with what each contender did.
type scenarioReport struct {
	Name    string         `json:"name"`
	Title   string         `json:"title"`
	Unit    string         `json:"unit,omitempty"`     // of rate; none for idle connections
	CPUUnit string         `json:"cpu_unit,omitempty"` // of cpu
	Figures []figureReport `json:"figures"`
}

// figureReport is what one contender did in one scenario.
type figureReport struct {
	Contender string `json:"contender"`
	Name      string `json:"name"`             // of the contender, for people
	Loaded    bool   `json:"loaded,omitempty"` // the machine was: see machine.loaded
	Void      string `json:"void,omitempty"`   // the error for which there is nothing else

	Rate        *spread           `json:"rate,omitempty"`
	P50         *spread           `json:"p50_us,omitempty"`
	P99         *spread           `json:"p99_us,omitempty"`
	P999        *spread           `json:"p999_us,omitempty"`
	CPU         *spread           `json:"cpu,omitempty"`         // processor time of the peer, all its processes
	Percentiles []percentileValue `json:"percentiles,omitempty"` // of all rounds together
	Rounds      []roundReport     `json:"rounds,omitempty"`
	Idle        *idleReport       `json:"idle,omitempty"`

	// Ratio is fourseven divided by this contender; none for fourseven itself.
	Ratio *ratioReport `json:"ratio,omitempty"`
}

// roundReport is one sample, as it was measured.
type roundReport struct {
	Count      int64   `json:"count"` // operations, or bytes
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds"`
}

// percentileValue is one point of the distribution of latencies.
type percentileValue struct {
	Percentile   float64 `json:"percentile"`
	Microseconds float64 `json:"us"`
	Min          float64 `json:"min_us"` // of the rounds
	Max          float64 `json:"max_us"`
}

// idleReport is what connections cost that do nothing.
type idleReport struct {
	Connections              int     `json:"connections"`
	RestBytes                int64   `json:"rest_bytes"` // resident without them, summed over the processes
	BytesPerConnection       float64 `json:"bytes_per_connection"`
	DescriptorsPerConnection float64 `json:"descriptors_per_connection"`
	ProcessorShare           float64 `json:"processor_share"` // of one processor, for all of them
}

func newReport(b *bench, start time.Time) *report {
	rep := &report{
		Schema:   schemaVersion,
		Started:  start.UTC().Truncate(time.Second),
		Seconds:  time.Since(start).Seconds(),
		Command:  b.opts.command,
		Settings: newSettingsReport(b.opts),
		Machine:  b.machine,
		Peers:    b.found,
	}
	for _, s := range b.opts.only.scenarios {
		if sr := newScenarioReport(s, b.figures); len(sr.Figures) > 0 {
			rep.Scenarios = append(rep.Scenarios, sr)
		}
	}
	rep.markLoaded()
	rep.Answer = newAnswer(rep)
	return rep
}

func newSettingsReport(opts options) settingsReport {
	s := settingsReport{SampleSeconds: opts.duration.Seconds(), Rounds: opts.rounds, Rate: opts.rate}
	if opts.target != nil {
		s.Target, s.Requests = opts.target.text, opts.requests
	}
	return s
}

// markLoaded notes at every figure that the machine was busy with something else.
func (r *report) markLoaded() {
	if !r.Machine.Loaded {
		return
	}
	for _, s := range r.Scenarios {
		for i := range s.Figures {
			s.Figures[i].Loaded = true
		}
	}
}

func newScenarioReport(s scenario, figures []*figure) scenarioReport {
	figures = keep(figures, func(f *figure) bool { return f.scenario.name == s.name })
	rep := scenarioReport{Name: s.name, Title: s.title, Unit: s.unit, CPUUnit: s.cpuUnit()}
	var own *figure
	for _, f := range figures {
		if f.contender.name == subject {
			own = f
		}
	}
	for _, f := range figures {
		rep.Figures = append(rep.Figures, newFigureReport(f, own))
	}
	return rep
}

// percentiles are those of the chart, equally far apart in nines.
var percentiles = []float64{0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.99}

func newFigureReport(f, own *figure) figureReport {
	rep := figureReport{Contender: f.contender.name, Name: f.contender.title(f.scenario.protocol)}
	switch {
	case f.err != nil:
		rep.Void = f.err.Error()
	case f.idle != nil:
		rep.Idle = newIdleReport(f.idle)
	default:
		rep.fill(f, own)
	}
	return rep
}

func newIdleReport(s *idleSample) *idleReport {
	return &idleReport{
		Connections: s.conns, RestBytes: s.rest.resident,
		BytesPerConnection: s.resident, DescriptorsPerConnection: s.descriptors, ProcessorShare: s.busy,
	}
}

func (r *figureReport) fill(f, own *figure) {
	rate := func(s sample) float64 { return s.rate(f.scenario) }
	cost := func(s sample) float64 { return s.cost(f.scenario) }
	r.Rate = f.overRounds(rate)
	if f.contender.peer.command != nil {
		r.CPU = f.overRounds(cost)
	}
	for _, s := range f.samples {
		r.Rounds = append(r.Rounds, roundReport{Count: s.count, Seconds: s.elapsed.Seconds(), CPUSeconds: s.cpu.Seconds()})
	}
	if f.scenario.latency {
		r.fillLatency(f)
	}
	if f == own || own == nil {
		return
	}
	r.Ratio = &ratioReport{}
	r.Ratio.Rate, r.Ratio.RateRange = f.against(own, rate).parts()
	if r.CPU != nil {
		r.Ratio.CPU, r.Ratio.CPURange = f.against(own, cost).parts()
	}
	if f.scenario.latency {
		r.Ratio.P99, r.Ratio.P99Range = f.against(own, latencyAt(99)).parts()
	}
}

func (r *figureReport) fillLatency(f *figure) {
	r.P50, r.P99, r.P999 = f.overRounds(latencyAt(50)), f.overRounds(latencyAt(99)), f.overRounds(latencyAt(99.9))
	all := f.merged()
	for _, p := range percentiles {
		if float64(all.TotalCount())*(100-p) < 100 {
			break // so far out there was not one operation
		}
		rounds := f.overRounds(latencyAt(p))
		r.Percentiles = append(r.Percentiles, percentileValue{p, float64(all.ValueAtPercentile(p)) / 1e3, rounds.Min, rounds.Max})
	}
}

func latencyAt(percentile float64) func(sample) float64 {
	return func(s sample) float64 { return s.latency(percentile) }
}

// voids returns how many figures have an error in place of their values.
func (r *report) voids() int {
	n := 0
	for _, s := range r.Scenarios {
		for _, f := range s.Figures {
			if f.Void != "" {
				n++
			}
		}
	}
	return n
}
