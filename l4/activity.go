package l4

import "time"

// moment is a time since the first relay of Relays: it takes a third of a time.Time.
type moment = time.Duration

// activity is the sweep's record of a relay's activity. The data path never looks at a
// clock: the sweep compares byte counters instead.
type activity struct {
	seen    int64  // bytes moved, both directions
	since   moment // when that or half last changed
	queued  int    // bytes that the kernel had to deliver when sampled
	half    bool   // one side has ended its stream
	sampled bool   // since then
}

// note reports whether the relay has moved bytes since the last call, or one side
// has ended its stream. Either begins a new idle time.
func (a *activity) note(r *relay, now moment) bool {
	seen, half := r.received()+r.sent(), r.half()
	if seen == a.seen && half == a.half {
		return false
	}
	a.seen, a.half, a.since, a.sampled = seen, half, now, false
	return true
}

// idle returns for how long no bytes have moved.
func (a *activity) idle(now moment) time.Duration { return now - a.since }

// idleFor reports whether the relay has been idle for the limit. Bytes that the
// kernel still delivers begin a new idle time. Zero is no limit.
func (a *activity) idleFor(r *relay, limit time.Duration, now moment) bool {
	idle := a.idle(now)
	if limit == 0 || idle < limit {
		if !a.sampled && idle >= limit/2 {
			a.queued, a.sampled = r.queued(), true
		}
		return false
	}
	if queued := r.queued(); queued != a.queued {
		a.queued, a.since = queued, now
		return false
	}
	return true
}

// queued returns how many bytes the kernel has to deliver, in both directions.
func (r *relay) queued() int { return r.client.Unacked() + r.backend.Unacked() }
