package main

import (
	"fmt"
	"strings"
)

// answerTitle returns the question that most readers of the report have.
func (r *report) answerTitle() string {
	switch {
	case strings.HasPrefix(r.Settings.Target, "tcp:"):
		return "What does L4 add to your service? From this machine:"
	case r.Settings.Target != "":
		return "L4 or L7 for your service? From this machine:"
	}
	return "L4 or L7 for an HTTP service? On this machine:"
}

// pair is L4 beside L7 in one scenario: the same requests through the same program.
type pair struct {
	title  string
	l4, l7 *figureReport
	direct *figureReport // nil if it was not measured, or is void
	rounds int
	rate   int // of an open load, 0 for a closed one
}

// newAnswer returns the paragraphs that answer the question of answerTitle from the figures
// of r, or nil if r does not compare L4 with L7.
func newAnswer(r *report) []string {
	if strings.HasPrefix(r.Settings.Target, "tcp:") {
		return []string{r.addedByL4()}
	}
	busy := r.pair("target-8", "http-64", "http-256")
	large := r.pair("http64k-64", "http64k-256")
	single := r.pair("target-1", "http-1", "http64k-1")
	var sentences []string
	for _, p := range []*pair{busy, large} {
		if p != nil {
			sentences = append(sentences, p.throughput())
		}
	}
	if single != nil {
		sentences = append(sentences, single.addedLatency())
	}
	if len(sentences) == 0 {
		return nil
	}
	return []string{strings.Join(sentences, " "), busy.advice()}
}

// pair returns L4 and L7 in the first of the scenarios that has both, or nil.
func (r *report) pair(scenarios ...string) *pair {
	for _, name := range scenarios {
		for _, s := range r.Scenarios {
			p := &pair{title: s.Title, l4: s.figure(detour), l7: s.figure(subject), direct: s.figure("direct")}
			if s.Name == name && p.l4 != nil && p.l7 != nil {
				p.rounds, p.rate = r.Settings.Rounds, r.Settings.Rate
				if p.direct != nil && p.direct.Void != "" {
					p.direct = nil
				}
				return p
			}
		}
	}
	return nil
}

// void returns the first figure that is void, or nil.
func (p *pair) void() *figureReport {
	for _, f := range []*figureReport{p.l4, p.l7} {
		if f.Void != "" {
			return f
		}
	}
	return nil
}

// voidSentence returns the sentence in place of a comparison that a void figure rules out.
func (p *pair) voidSentence(void *figureReport) string {
	return fmt.Sprintf("The figure of %s is void (%s), so this run does not compare L4 with L7 there: %s.",
		void.Name, p.title, oneLine(void.Void))
}

// throughput returns the comparison of request rates, processor time and latency.
func (p *pair) throughput() string {
	if void := p.void(); void != nil {
		return p.voidSentence(void)
	}
	cost := p.cost()
	where := p.title
	if p.rate > 0 {
		return fmt.Sprintf("At %s requests a second L4 uses %s (%s). %s", thousands(int64(p.rate)), cost, where, p.slowest())
	}
	rate := p.l4.ofL7().rate().inverse()
	if around := rate.rangeWords(p.rounds); around != "" {
		where += "; " + around
	}
	return fmt.Sprintf("L4 does %s and uses %s (%s). %s", asMany(rate), cost, where, p.slowest())
}

// ofL7 returns the ratios of L7 to this figure, which is L4's.
func (f *figureReport) ofL7() *ratioReport {
	if f.Ratio == nil {
		return &ratioReport{}
	}
	return f.Ratio
}

func asMany(rate ratio) string {
	if rate.even() {
		return "about as many requests as L7"
	}
	return rate.words() + " the requests of L7"
}

func (p *pair) cost() string {
	cpu := p.l4.ofL7().cpu().inverse()
	if cpu.even() {
		return "about the same processor time for each"
	}
	return cpu.words() + " the processor time for each"
}

func (p *pair) slowest() string {
	p99 := p.l4.ofL7().p99().inverse()
	if p99.even() {
		return "The 99th percentile of its latency is about the same."
	}
	return "The 99th percentile of its latency is " + p99.words() + " that of L7."
}

// addedLatency returns the sentence on the latency that L4 and L7 add, one request at a time.
func (p *pair) addedLatency() string {
	void := p.void()
	switch {
	case void != nil:
		return p.voidSentence(void)
	case p.direct == nil:
		return fmt.Sprintf("A request that is alone takes %s through L4 and %s through L7 (median; %s).",
			micros(p.l4.P50.Median), micros(p.l7.P50.Median), p.title)
	}
	return fmt.Sprintf("A request that is alone takes %s without a proxy; L4 adds %s to that and L7 %s (medians; %s).",
		micros(p.direct.P50.Median), added(p.l4, p.direct), added(p.l7, p.direct), p.title)
}

// addedByL4 returns the sentence on the time that L4 adds to a connection to a tcp target.
func (r *report) addedByL4() string {
	for _, s := range r.Scenarios {
		l4, direct := s.figure(subject), s.figure("direct")
		switch {
		case l4 == nil || direct == nil:
			continue
		case l4.Void != "" || direct.Void != "":
			return fmt.Sprintf("A figure is void (%s), so this run does not say: %s.", s.Title, oneLine(l4.Void+" "+direct.Void))
		}
		return fmt.Sprintf("It takes %s from opening a connection to the first bytes of your service; L4 adds %s (medians; %s).",
			micros(direct.P50.Median), added(l4, direct), s.Title)
	}
	return "Nothing was measured."
}

func added(f, direct *figureReport) string {
	more := f.P50.Median - direct.P50.Median
	if more <= 0 {
		return "nothing that shows"
	}
	return micros(more)
}

// advice returns the paragraph on when to use L4 and when L7. p may be nil.
func (p *pair) advice() string {
	verdict, count := p.verdict()
	return verdict + "Take L7 for HTTP/1 where each request is to go to the next backend, another backend is to be tried " +
		"when one fails, backends need X-Forwarded-For, or you want metrics and log lines for each request. " +
		"Take L4 for everything else: HTTP/2 and gRPC, TLS that the backends end, databases and other protocols" + count + "."
}

// verdict returns a sentence on which of the two takes less processor time, and the end of
// the sentence on when to use L4.
func (p *pair) verdict() (verdict, count string) {
	if p == nil || p.l4.Ratio == nil || p.l4.Ratio.CPU == 0 {
		return "", ""
	}
	switch cpu := p.l4.ofL7().cpu().inverse(); {
	case cpu.even() || !cpu.certain():
		return "There is no clear difference in processor time for " + p.title + ": choose by what you need. ", ""
	case cpu.median < 1:
		return "L4 takes less processor time for " + p.title + ". ", "; and for HTTP/1 where this difference counts more than what L7 does"
	}
	return "L7 takes less processor time for " + p.title + ". ", ""
}

// LoadWarning returns the warning that a loaded machine makes the figures unreliable.
func (m machineReport) LoadWarning() string {
	return fmt.Sprintf("Loaded machine: before the run the load was %.1f on %d processors. Other programs took part of the "+
		"machine, so every figure below is marked loaded; run it again on a quiet machine, a minute after anything else.", m.Load, m.Processors)
}
