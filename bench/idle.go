package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// idleSample is what a peer holds at rest, and what more for each idle
// connection.
type idleSample struct {
	conns       int
	rest        usage // after one connection that has ended
	resident    float64
	descriptors float64
	busy        float64 // processor time a second, of all of them together
}

// restSettle is how long a peer is left alone before it is looked at.
const restSettle = 200 * time.Millisecond

// idleSettle is how long connections have been idle when the peer is looked at: a second,
// and what a peer may need after it.
const idleSettle = 1300 * time.Millisecond

// How long the peer's processor time is watched then.
const (
	idleWatch      = 2 * time.Second
	quickIdleWatch = 500 * time.Millisecond
)

// measureIdle opens s.conns connections to a peer that has been started for it,
// so that no memory of earlier load is at hand to be used again. Each connection
// has done one operation.
func measureIdle(ctx context.Context, b *bed, c contender, s scenario) (sample idleSample, err error) {
	in, err := c.peer.launch(ctx, b)
	if err != nil {
		return idleSample{}, err
	}
	defer func() { err = errors.Join(err, in.stop()) }()
	return in.hold(ctx, s, in.addrs[c.listener(s.protocol)][0])
}

// hold returns what the instance holds more with idle connections than without.
func (in *instance) hold(ctx context.Context, s scenario, addr string) (idleSample, error) {
	pids, err := in.pids()
	if err != nil {
		return idleSample{}, err
	}
	rest, err := usageAfter(ctx, restSettle, pids)
	if err != nil {
		return idleSample{}, err
	}
	conns := affordable(s.conns)
	operations, err := openUsed(ctx, s, addr, conns)
	defer closeAll(operations)
	if err != nil {
		return idleSample{}, err
	}
	busy, err := usageAfter(ctx, idleSettle, pids)
	if err != nil {
		return idleSample{}, err
	}
	sample := newIdleSample(rest, busy, conns)
	sample.busy, err = processorShare(ctx, s.watch, pids)
	return sample, err
}

// processorShare returns the share of one processor that the processes use during d.
func processorShare(ctx context.Context, d time.Duration, pids []int) (float64, error) {
	before, err := cpuTime(pids)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := pause(ctx, d); err != nil {
		return 0, err
	}
	after, err := cpuTime(pids)
	return (after - before).Seconds() / time.Since(began).Seconds(), err
}

func newIdleSample(rest, busy usage, conns int) idleSample {
	return idleSample{
		conns:       conns,
		rest:        rest,
		resident:    float64(busy.resident-rest.resident) / float64(conns),
		descriptors: float64(busy.descriptors-rest.descriptors) / float64(conns),
	}
}

func usageAfter(ctx context.Context, d time.Duration, pids []int) (usage, error) {
	if err := pause(ctx, d); err != nil {
		return usage{}, err
	}
	return readUsage(pids)
}

// affordable returns how many connections may be opened so that a peer, at up to
// six descriptors a connection, stays within its limit.
func affordable(conns int) int {
	return max(1, min(conns, (int(openFiles())-200)/6))
}

// openUsed opens n connections and does the operation of each once.
func openUsed(ctx context.Context, s scenario, addr string, n int) ([]operation, error) {
	deadline := time.Now().Add(startPatience)
	var operations []operation
	for i := range n {
		op, err := s.open(addr, deadline)
		if err != nil {
			return operations, err
		}
		operations = append(operations, op)
		if _, err := op.do(); err != nil {
			return operations, fmt.Errorf("connection %d of %d: %w", i+1, n, err)
		}
		if ctx.Err() != nil {
			return operations, context.Cause(ctx)
		}
	}
	return operations, nil
}
