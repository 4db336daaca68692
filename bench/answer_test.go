package main

import (
	"strings"
	"testing"
)

// compared returns a report of http-64 and http-1 in which L7 does rate times the
// requests of L4 at cpu times the processor time, in each of three rounds.
func compared(rate, cpu float64) *report {
	around := func(v float64) *span { return &span{v * 0.98, v * 1.02} }
	against := &ratioReport{
		Rate: rate, RateRange: around(rate), P99: 1 / rate, P99Range: around(1 / rate), CPU: cpu, CPURange: around(cpu),
	}
	latency := func(us float64) *spread { return &spread{us, us, us} }
	scenario := func(name, title string) scenarioReport {
		return scenarioReport{Name: name, Title: title, Figures: []figureReport{
			{Contender: "direct", Name: "no proxy", P50: latency(10)},
			{Contender: subject, Name: "fourseven L7", P50: latency(40)},
			{Contender: detour, Name: "fourseven L4", P50: latency(30), Ratio: against},
		}}
	}
	return &report{
		Settings:  settingsReport{Rounds: 3},
		Scenarios: []scenarioReport{scenario("http-1", "small, 1 connection"), scenario("http-64", "small, 64 connections")},
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		report   *report
		change   func(*report)
		want     []string
		unwanted string
	}{
		{"L4 does more for less", compared(0.7, 1.6), nil, []string{
			"L4 does 1.4 times the requests of L7 and uses 0.62 times the processor time for each " +
				"(small, 64 connections; 1.4 to 1.5 over 3 rounds).",
			"The 99th percentile of its latency is 0.70 times that of L7.",
			"A request that is alone takes 10.0 us without a proxy; L4 adds 20.0 us to that and L7 30.0 us",
			"L4 takes less processor time for small, 64 connections. Take L7 for", "this difference counts more",
		}, "certain"},
		{"L7 costs less", compared(1.3, 0.5), nil, []string{"L4 does 0.77 times the requests", "uses 2.0 times the", "L7 takes less processor time for small, 64 connections."}, "counts more"},
		{"even", compared(1.01, 0.99), nil, []string{
			"about as many requests as L7 and uses about the same", "is about the same.", "no clear difference",
		}, "not certain"},
		{"rounds that disagree", compared(0.8, 1.2), func(r *report) {
			against := r.Scenarios[1].Figures[2].Ratio
			against.RateRange, against.CPURange = &span{0.7, 1.1}, &span{0.9, 1.3}
		}, []string{"L4 does 1.2 times", "0.91 to 1.4 over 3 rounds, so not certain", "no clear difference in processor time for small, 64 connections: choose"}, "takes less"},
		{"one round", compared(0.5, 2), func(r *report) {
			r.Settings.Rounds = 1
			against := r.Scenarios[1].Figures[2].Ratio
			against.RateRange, against.P99Range, against.CPURange = nil, nil, nil
		}, []string{"(small, 64 connections). The"}, "rounds"},
		{"L7 is void", compared(0.5, 2), func(r *report) {
			r.Scenarios[1].Figures[1].Void = "round 1:\nreset"
			r.Scenarios[1].Figures[2].Ratio = nil
		}, []string{
			"The figure of fourseven L7 is void (small, 64 connections), so this run does not compare L4 with L7 there: round 1: reset.",
			"A request that is alone",
		}, "takes less"},
		{"L4 is void for one connection", compared(0.5, 2), func(r *report) {
			r.Scenarios[0].Figures[2] = figureReport{Contender: detour, Name: "fourseven L4", Void: "reset"}
		}, []string{"The figure of fourseven L4 is void (small, 1 connection)"}, "alone"},
		{"no proxy is void", compared(0.5, 2), func(r *report) {
			r.Scenarios[0].Figures[0] = figureReport{Contender: "direct", Name: "no proxy", Void: "reset"}
		}, []string{"A request that is alone takes 30.0 us through L4 and 40.0 us through L7"}, "void"},
		{"L4 adds nothing", compared(0.5, 2), func(r *report) {
			r.Scenarios[0].Figures[2].P50.Median = 9
		}, []string{"L4 adds nothing that shows to that and L7 30.0 us"}, ""},
		{"open load", compared(0.5, 2), func(r *report) { r.Settings.Rate = 5000 }, []string{
			"At 5,000 requests a second L4 uses 0.50 times the processor time for each (small, 64 connections).",
		}, "the requests of L7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.change != nil {
				tt.change(tt.report)
			}
			got := strings.Join(newAnswer(tt.report), "\n")
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in %s", want, got)
				}
			}
			if tt.unwanted != "" && strings.Contains(got, tt.unwanted) {
				t.Errorf("%q in %s", tt.unwanted, got)
			}
		})
	}
}

func TestAnswerForATCPService(t *testing.T) {
	t.Parallel()
	latency := func(us float64) *spread { return &spread{us, us, us} }
	rep := &report{Settings: settingsReport{Target: "tcp://db:5432", Rounds: 3}, Scenarios: []scenarioReport{{
		Name: "target-1", Title: "connections, 1 at a time", Figures: []figureReport{
			{Contender: "direct", Name: "no proxy", P50: latency(100)},
			{Contender: subject, Name: "fourseven L4", P50: latency(150)},
		},
	}}}
	want := "It takes 100 us from opening a connection to the first bytes of your service; L4 adds 50.0 us (medians; connections, 1 at a time)."
	if got := newAnswer(rep); len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
	rep.Scenarios[0].Figures[1] = figureReport{Contender: subject, Name: "fourseven L4", Void: "round 2: reset"}
	if got := newAnswer(rep); len(got) != 1 || !strings.Contains(got[0], "A figure is void (connections, 1 at a time), so this run does not say: round 2: reset.") {
		t.Errorf("got %q", got)
	}
}

// The report of a run without both has no answer.
func TestNoAnswerWithoutBoth(t *testing.T) {
	t.Parallel()
	rep := sampleReport(func(b *bench) {
		b.figures = keep(b.figures, func(f *figure) bool { return f.contender.name != detour })
	})
	if rep.Answer != nil {
		t.Errorf("got %q", rep.Answer)
	}
	var text strings.Builder
	if err := writeText(&text, rep); err != nil || strings.Contains(text.String(), "L4 or L7") {
		t.Errorf("got %s, %v", &text, err)
	}
}
