package l4

import (
	"context"
	"time"

	"fourseven/health"
)

// closeTick is the time between two batches of Close.
const closeTick = 10 * time.Millisecond

// Live returns how many relays to the backend live.
func (rs *Relays) Live(b *health.Backend) int { return len(rs.of(b)) }

// Close cuts the relays to the backend that live now, rate of them a second, so
// that their clients do not all come back at once. It returns when that is done,
// or the context.
func (rs *Relays) Close(ctx context.Context, b *health.Backend, rate int) {
	its := rs.of(b)
	tick := time.NewTicker(closeTick)
	defer tick.Stop()
	due, began := 0, time.Now()
	for i := range its {
		for i >= due {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				due = int(time.Since(began) * time.Duration(rate) / time.Second)
			}
		}
		its[i].cut(Drain)
		its[i] = nil // it may have ended by itself: do not keep it
	}
}

// of returns the relays to the backend that live.
func (rs *Relays) of(b *health.Backend) []*relay {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var its []*relay
	for r := range rs.live {
		if r.of != nil && r.of.Addr == b.Addr {
			its = append(its, r)
		}
	}
	return its
}
