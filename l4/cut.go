package l4

import (
	"context"
	"time"

	"fourseven/health"
)

// cutTick is the time between two batches of Close.
const cutTick = 10 * time.Millisecond

// CutAll cuts all open relays, and those that begin later. They end with Drain.
func (rs *Relays) CutAll() {
	rs.closed.Store(true)
	rs.each(func(s *relaySet) {
		for len(s.open) > 0 {
			s.open[len(s.open)-1].relay.end(Drain)
		}
	})
}

// CutBackend cuts the open relays to a backend that went down, and returns how
// many there were. They end with BackendDown.
func (rs *Relays) CutBackend(b *health.Backend) int {
	open := rs.to(b)
	for _, r := range open {
		r.cut(BackendDown)
	}
	return len(open)
}

// Close cuts the relays to the backend that are open now, rate of them a second,
// so that their clients do not all come back at once. They end with
// OperatorClose. It returns when all are being cut, or when the context is done.
func (rs *Relays) Close(ctx context.Context, b *health.Backend, rate int) {
	open := rs.to(b)
	tick := time.NewTicker(cutTick)
	defer tick.Stop()
	due, began := 0, time.Now()
	for i := range open {
		for i >= due {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				due = int(time.Since(began) * time.Duration(rate) / time.Second)
			}
		}
		open[i].cut(OperatorClose)
		open[i] = nil // do not keep one that has ended
	}
}

// cut ends the relay in its loop, a little later.
func (r *relay) cut(why Ending) { r.client.Go(func() { r.end(why) }) }
