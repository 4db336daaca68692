package l4

import (
	"cmp"
	"context"
	"time"
)

// Sweep looks at all open relays, several times within the shortest limit, until
// the context is done. It cuts those that are past a limit, parks those that are
// idle, and reports their bytes. The context must not be done before all relays
// have ended.
func (rs *Relays) Sweep(ctx context.Context) error {
	rs.userTimeout = cmp.Or(rs.userTimeout, userTimeout)
	defer rs.lot.open()()
	tick := time.NewTicker(rs.resolution())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			rs.lot.releaseStacks(now)
			rs.sweep(now)
		}
	}
}

// resolution is a tenth of the shortest limit, and half of the time after which
// relays are parked at most.
func (rs *Relays) resolution() time.Duration {
	d := time.Second
	for _, limit := range []time.Duration{
		rs.Limits.IdleTimeout, rs.Limits.HalfCloseTimeout, rs.Limits.MaxAge, rs.userTimeout, 5 * rs.lot.after,
	} {
		if limit > 0 {
			d = min(d, limit/10)
		}
	}
	return max(d, time.Millisecond)
}

func (rs *Relays) sweep(now time.Time) {
	for r, why := range rs.overdue(now) {
		r.cut(why) // without the lock: it may have to wait
	}
}

// overdue looks at each relay and returns those that are past a limit, and why.
func (rs *Relays) overdue(now time.Time) map[*relay]Ending {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var overdue map[*relay]Ending
	for r := range rs.open {
		if why := rs.inspect(r, now); why != "" {
			if overdue == nil {
				overdue = make(map[*relay]Ending)
			}
			overdue[r] = why
		}
	}
	return overdue
}

// inspect does what the relay's activity calls for. It returns why the relay is
// past a limit, or an empty Ending.
func (rs *Relays) inspect(r *relay, now time.Time) Ending {
	r.report()
	r.tune()
	if r.activity.note(r, now) {
		r.restoreUserTimeout(rs.userTimeout)
	}
	rs.lot.ask(r, now)
	r.liftUserTimeout(rs.userTimeout, now)
	return rs.Limits.overdue(r, now)
}
