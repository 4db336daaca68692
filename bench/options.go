package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The plans: as long as a coffee, and as short as a step of CI may be.
const (
	defaultDuration = 300 * time.Millisecond
	defaultRounds   = 3
	quickDuration   = 60 * time.Millisecond
	quickRounds     = 1
	defaultRequests = 1000
)

// options are what the flags say.
type options struct {
	bin      string        // the fourseven to measure; "" builds it from the tree
	duration time.Duration // of one sample, without its warm-up
	rounds   int
	rate     int     // operations a second over all connections; 0 is as fast as they go
	target   *target // nil for the bench's own backends
	requests int     // of a sample, at most; for a target
	quick    bool
	list     bool
	only     selection
	require  []string // peers that must be there
	jsonFile string   // "" for none
	htmlFile string   // "" for none

	command string // the flags as given, for the report
}

// flagValues are the flags before they are understood.
type flagValues struct {
	options
	only, require, target, send string
}

func (v *flagValues) flagSet() *flag.FlagSet {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&v.bin, "bin", "", "measure this fourseven `binary` instead of one built from the tree")
	fs.DurationVar(&v.duration, "d", defaultDuration, "measure each contender for this `duration` in each scenario and round")
	fs.IntVar(&v.rounds, "rounds", defaultRounds, "run this `number` of interleaved rounds")
	fs.IntVar(&v.rate, "rate", 0, "open loop: start this `number` of operations a second in the scenarios that measure latency")
	fs.BoolVar(&v.quick, "quick", false, "one short round, about 20 s in all (its first line says how long): does everything still work?")
	fs.BoolVar(&v.list, "list", false, "print the names of scenarios and contenders, and end")
	fs.StringVar(&v.only, "only", "", "measure only these scenarios and contenders (comma-separated `names`)")
	fs.StringVar(&v.require, "require", "", "fail if one of these contenders is missing (comma-separated `names`)")
	fs.StringVar(&v.target, "target", "", "measure your own service through L4 and L7, with a bounded load: http://host:port/path, or tcp://host:port (comma-separated `URLs`)")
	fs.IntVar(&v.requests, "requests", defaultRequests, "with -target: send at most this `number` of requests in a sample, and one more for each connection")
	fs.StringVar(&v.send, "send", "", `with a tcp target: send this `+"`text`"+` (\r\n are escapes) and wait for an answer; without it the service must speak first`)
	fs.StringVar(&v.jsonFile, "json", "", "write the report as JSON to this `file`")
	fs.StringVar(&v.htmlFile, "html", "", "write the report as one self-contained page to this `file`")
	return fs
}

func writeUsage(w io.Writer) {
	_, _ = fmt.Fprintln(w, "usage: go run ./bench [flags]")
	fs := new(flagValues).flagSet()
	fs.SetOutput(w)
	fs.PrintDefaults()
}

// parseOptions returns what args say, or flag.ErrHelp, or what is wrong with them.
func parseOptions(args []string) (options, error) {
	var v flagValues
	fs := v.flagSet()
	if err := fs.Parse(args); err != nil {
		return options{}, err
	}
	if fs.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q: expected flags only", fs.Arg(0))
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if err := checkCombination(given); err != nil {
		return options{}, err
	}
	v.command = strings.Join(append([]string{"go run ./bench"}, args...), " ")
	return v.resolve(given)
}

// checkCombination refuses flags that contradict each other.
func checkCombination(given map[string]bool) error {
	if given["list"] && len(given) > 1 {
		return errors.New("-list measures nothing: expected no other flag with it")
	}
	for _, name := range []string{"d", "rounds"} {
		if given["quick"] && given[name] {
			return fmt.Errorf("-quick sets -%s itself: expected one of the two", name)
		}
	}
	for _, name := range []string{"only", "require"} {
		if given["target"] && given[name] {
			return fmt.Errorf("-target selects what is measured: expected no -%s with it", name)
		}
	}
	for _, name := range []string{"requests", "send"} {
		if given[name] && !given["target"] {
			return fmt.Errorf("-%s is for -target: expected both", name)
		}
	}
	return nil
}

// resolve checks the values one by one, then those that depend on each other.
func (v *flagValues) resolve(given map[string]bool) (options, error) {
	if v.quick {
		v.duration, v.rounds = quickDuration, quickRounds
	}
	if err := v.checkValues(given); err != nil {
		return options{}, err
	}
	if given["target"] {
		return v.resolveTarget()
	}
	var err error
	if v.options.only, err = parseSelection(v.only, given["only"]); err != nil {
		return options{}, err
	}
	if v.options.require, err = parseRequired(v.require, given["require"], v.options.only); err != nil {
		return options{}, err
	}
	if v.rate > 0 && !slices.ContainsFunc(v.options.only.scenarios, func(s scenario) bool { return s.latency }) {
		return options{}, errors.New("-rate has no part in the scenarios of -only: none of them measures latency")
	}
	return v.options, nil
}

// Bounds of a target's load, besides maxTargets and targetConns.
const (
	maxTargetDuration = time.Minute
	maxTargetRounds   = 20
	maxRequests       = 100_000
)

func (v *flagValues) resolveTarget() (options, error) {
	switch {
	case v.duration > maxTargetDuration:
		return options{}, fmt.Errorf("-d %v: expected up to %v with -target", v.duration, maxTargetDuration)
	case v.rounds > maxTargetRounds:
		return options{}, fmt.Errorf("-rounds %d: expected up to %d with -target", v.rounds, maxTargetRounds)
	case v.requests < targetConns || v.requests > maxRequests:
		return options{}, fmt.Errorf("-requests %d: expected %d to %d", v.requests, targetConns, maxRequests)
	}
	t, err := parseTarget(v.target, v.send)
	if err != nil {
		return options{}, err
	}
	v.options.target, v.options.only = t, t.selection()
	return v.options, nil
}

func (v *flagValues) checkValues(given map[string]bool) error {
	switch {
	case v.duration < 10*time.Millisecond || v.duration > 10*time.Minute:
		return fmt.Errorf("-d %v: expected 10ms to 10m", v.duration)
	case v.rounds < 1 || v.rounds > 1000:
		return fmt.Errorf("-rounds %d: expected 1 to 1000", v.rounds)
	case given["rate"] && (v.rate < 1 || v.rate > 10_000_000):
		return fmt.Errorf("-rate %d: expected 1 to 10000000 operations a second", v.rate)
	case given["bin"] && v.bin == "":
		return errors.New(`-bin "": expected a file`)
	case given["json"] && v.jsonFile == "":
		return errors.New(`-json "": expected a file`)
	case given["html"] && v.htmlFile == "":
		return errors.New(`-html "": expected a file`)
	case v.jsonFile != "" && filepath.Clean(v.jsonFile) == filepath.Clean(v.htmlFile):
		return fmt.Errorf("-json and -html are both %s: expected two files", v.jsonFile)
	}
	return nil
}
