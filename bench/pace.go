package main

import (
	"context"
	"time"
)

// pace says when a worker's next operation is due. Its zero value is a closed
// load: at once.
type pace struct {
	interval time.Duration
	due      time.Time
}

// newPace returns the pace of worker i of n, which together start rate operations
// a second from start on, one after the other.
func newPace(rate int, start time.Time, i, n int) pace {
	if rate == 0 {
		return pace{}
	}
	step := time.Second / time.Duration(rate)
	return pace{interval: time.Duration(n) * time.Second / time.Duration(rate), due: start.Add(time.Duration(i) * step)}
}

// await waits until the next operation is due and returns the time from which
// its latency counts. That is when it was due if the worker was still busy then,
// and else when it is sent: that a timer comes late, by up to a millisecond, is
// no doing of the peer.
func (p *pace) await(ctx context.Context) (time.Time, error) {
	now := time.Now()
	if p.interval == 0 {
		return now, nil
	}
	due := p.due
	p.due = due.Add(p.interval)
	if !now.Before(due) {
		return due, nil
	}
	if err := pause(ctx, due.Sub(now)); err != nil {
		return now, err
	}
	return time.Now(), nil
}
