package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// bench is one run: what is measured, with what runs for it.
type bench struct {
	opts      options
	bed       *bed
	machine   machineReport // before anything was started
	found     []peerReport
	instances map[string]*instance // by the peer's name; only of those that were found
	figures   []*figure
	progress  *progress
}

// measureAll measures what opts select. Whatever it has started has ended when
// it returns.
func measureAll(ctx context.Context, opts options, stderr io.Writer) (rep *report, err error) {
	start := time.Now()
	b := &bench{opts: opts, machine: readMachine(), instances: map[string]*instance{}, progress: newProgress(stderr)}
	defer b.progress.end()
	if err := checkRequired(ctx, opts.require); err != nil {
		return nil, err
	}
	if opts.target != nil {
		b.progress.say(opts.target.warning(opts))
		if err := opts.target.check(ctx); err != nil {
			return nil, err
		}
	} else {
		b.progress.say("starting the backends")
	}
	if b.bed, err = newBed(ctx, opts.target); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	if b.opts.only.wantsTLS() {
		if err := b.bed.endTLS(); err != nil {
			return nil, err
		}
	}
	if err := b.startPeers(ctx); err != nil {
		return nil, err
	}
	if err := b.runRounds(ctx); err != nil {
		return nil, err
	}
	return newReport(b, start), nil
}

func (b *bench) stop() error {
	var processes []*process
	for _, in := range b.instances {
		processes = append(processes, in.process)
	}
	return errors.Join(stopAll(processes), b.bed.close())
}

// checkRequired looks for the peers that must be there, before anything is
// built or started.
func checkRequired(ctx context.Context, names []string) error {
	for _, c := range contenders() {
		if c.peer.packages == "" || !slices.Contains(names, c.name) {
			continue
		}
		if _, err := c.peer.find(ctx, &bed{}); err != nil {
			return fmt.Errorf("-require %s: %w%s", c.name, err, packageHint(c.peer.packages))
		}
	}
	return nil
}

// startPeers finds and starts the peers of the selection.
func (b *bench) startPeers(ctx context.Context) error {
	for _, c := range b.opts.only.contenders {
		if slices.ContainsFunc(b.found, func(p peerReport) bool { return p.Name == c.peer.name }) {
			continue
		}
		if err := b.startPeer(ctx, c.peer); err != nil {
			return err
		}
	}
	return nil
}

// startPeer starts p, or notes why it is missing.
func (b *bench) startPeer(ctx context.Context, p *peer) error {
	b.progress.say("starting " + p.name)
	version, err := b.findPeer(ctx, p)
	if err != nil {
		return b.without(ctx, p, peerReport{Missing: err.Error(), Packages: p.packages})
	}
	in, err := p.launch(ctx, b.bed)
	if err != nil {
		return b.without(ctx, p, peerReport{Version: version, Missing: "it does not start: " + err.Error()})
	}
	b.instances[p.name] = in
	b.found = append(b.found, peerReport{Name: p.name, Version: version})
	return nil
}

// findPeer returns the version of p. fourseven is built for it.
func (b *bench) findPeer(ctx context.Context, p *peer) (string, error) {
	if p.name == subject {
		if err := b.bed.build(ctx, b.opts.bin); err != nil {
			return "", err
		}
	}
	return p.find(ctx, b.bed)
}

// without notes why p is missing. That is an error only if p is required, or
// always there.
func (b *bench) without(ctx context.Context, p *peer, why peerReport) error {
	why.Name = p.name
	why.Missing = oneLine(why.Missing)
	text := fmt.Sprintf("%s: %s%s", p.name, why.Missing, packageHint(why.Packages))
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case p.packages == "" || slices.Contains(b.opts.require, p.name):
		return errors.New(text)
	}
	b.found = append(b.found, why)
	b.progress.say("without " + text)
	return nil
}

func packageHint(packages string) string {
	if packages == "" {
		return ""
	}
	return " (apt-get install " + packages + ")"
}

// runRounds fills the figures: in each round every scenario, in each scenario
// every contender in turn.
func (b *bench) runRounds(ctx context.Context) error {
	b.figures = b.plan()
	steps := stepsOf(b.figures, b.opts.quick)
	b.progress.begin(b.opts, steps)
	for round := range b.opts.rounds {
		for _, s := range steps {
			if s.done(round) {
				continue
			}
			b.progress.step(round, s)
			s.each(func(f *figure) { f.err = b.measure(ctx, f) })
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// plan returns the figures to be measured, empty.
func (b *bench) plan() []*figure {
	var figures []*figure
	for _, s := range b.opts.only.scenarios {
		if b.opts.quick {
			s = s.quick()
		}
		for _, c := range b.opts.only.players(s) {
			if b.instances[c.peer.name] != nil {
				figures = append(figures, &figure{contender: c, scenario: s})
			}
		}
	}
	return figures
}

// measure adds one sample to f.
func (b *bench) measure(ctx context.Context, f *figure) error {
	if f.scenario.idle {
		idle, err := measureIdle(ctx, b.bed, f.contender, f.scenario)
		f.idle = &idle
		return err
	}
	l, err := b.newLoad(f)
	if err != nil {
		return err
	}
	s, err := l.run(ctx)
	if err != nil {
		return fmt.Errorf("round %d: %w", len(f.samples)+1, err)
	}
	if s.count == 0 {
		return fmt.Errorf("round %d: nothing was done in %v", len(f.samples)+1, s.elapsed)
	}
	f.samples = append(f.samples, s)
	return nil
}

func (b *bench) newLoad(f *figure) (*load, error) {
	in := b.instances[f.contender.peer.name]
	if in.process != nil && in.process.err() != nil {
		return nil, in.process.err()
	}
	pids, err := in.pids()
	if err != nil {
		return nil, err
	}
	l := &load{
		addrs:    in.addrs[f.contender.listener(f.scenario.protocol)],
		conns:    f.scenario.conns,
		open:     f.scenario.open,
		warmup:   warmup(b.opts.duration),
		duration: b.opts.duration,
		cpu:      func() (time.Duration, error) { return cpuTime(pids) },
	}
	if f.scenario.latency {
		l.rate = b.opts.rate
	}
	if b.opts.target != nil {
		l.budget = newBudget(b.opts.requests)
	}
	return l, nil
}
