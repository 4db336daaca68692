package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress says what is being done and how long it will still take: on a
// terminal in one line that changes, elsewhere in a line a round.
type progress struct {
	w        io.Writer
	terminal bool

	expected time.Duration // of all steps
	done     time.Duration // of the steps so far, by the same guess
	last     time.Duration // of the step that runs
	opts     options
	start    time.Time
	round    int // the last that was announced, from 1
}

func newProgress(w io.Writer) *progress {
	return &progress{w: w, terminal: isTerminal(w)}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// say prints a line of its own.
func (p *progress) say(text string) {
	p.clear()
	_, _ = fmt.Fprintln(p.w, "bench:", text)
}

// begin notes what is to be done.
func (p *progress) begin(opts options, steps []step) {
	p.opts, p.start = opts, time.Now()
	for _, s := range steps {
		if s.idle() {
			p.expected += p.guess(s)
		} else {
			p.expected += p.guess(s) * time.Duration(opts.rounds)
		}
	}
}

// guess returns how long a step should take. It is corrected by the pace so far.
func (p *progress) guess(s step) time.Duration {
	if f := s[0]; f.scenario.idle {
		opening := time.Duration(len(s)*f.scenario.conns) * 100 * time.Microsecond
		return opening + restSettle + idleSettle + f.scenario.watch + time.Second
	}
	return p.opts.duration + warmup(p.opts.duration) + 50*time.Millisecond
}

// step announces the next step.
func (p *progress) step(round int, s step) {
	f := s[0]
	p.done += p.last
	p.last = p.guess(s)
	text := fmt.Sprintf("round %d of %d, %s left", round+1, p.opts.rounds, p.left(time.Since(p.start)))
	switch {
	case p.terminal:
		_, _ = fmt.Fprintf(p.w, "\r\x1b[K%s: %s, %s", text, f.scenario.name, f.contender.name)
	case p.round != round+1:
		p.say(text)
	}
	p.round = round + 1
}

// left returns how long the rest will take if it goes on as it did.
func (p *progress) left(elapsed time.Duration) string {
	rest := p.expected - p.done
	if p.done > 0 {
		rest = time.Duration(float64(rest) * float64(elapsed) / float64(p.done))
	}
	rest = max(0, rest).Round(time.Second)
	return fmt.Sprintf("%d:%02d", rest/time.Minute, rest%time.Minute/time.Second)
}

func (p *progress) clear() {
	if p.terminal {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// end leaves the terminal's line empty.
func (p *progress) end() { p.clear() }
