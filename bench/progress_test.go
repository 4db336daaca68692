package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgressOnNoTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out)
		opts := options{duration: time.Second, rounds: 2}
		steps := stepsOf([]*figure{{scenario: scenario{name: "rt-1"}}, {scenario: scenario{name: "rt-64"}}}, false)
		p.begin(opts, steps)
		for round := range 2 {
			for _, s := range steps {
				p.step(round, s)
				time.Sleep(2 * time.Second) // on the bubble's clock: twice as long as guessed
			}
		}
		p.end()
		// 4 samples of 1.175 s; then 2 of them, which have taken 2 s each so far.
		want := "bench: round 1 of 2, 0:05 left\nbench: round 2 of 2, 0:04 left\n"
		if got := out.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &progress{w: &out, terminal: true}
	f := &figure{scenario: scenario{name: "rt-1"}, contender: contender{name: "nginx"}}
	p.begin(options{duration: time.Minute, rounds: 3}, []step{{f}})
	p.step(0, step{f})
	p.say("without haproxy")
	p.end()
	got := out.String()
	if strings.Count(got, "\n") != 1 || !strings.Contains(got, "round 1 of 3, 3:03 left: rt-1, nginx") {
		t.Errorf("got %q", got)
	}
	if !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("the line is left as it was: %q", got)
	}
}
