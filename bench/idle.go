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
}

// restSettle is how long a peer is left alone before it is looked at.
const restSettle = 200 * time.Millisecond

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
	busy, err := usageAfter(ctx, s.settle, pids)
	if err != nil {
		return idleSample{}, err
	}
	return newIdleSample(rest, busy, conns), nil
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
