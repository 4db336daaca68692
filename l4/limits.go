package l4

import (
	"math/rand/v2"
	"time"
)

// Limits are the time limits of a relay. Zero is no limit.
type Limits struct {
	// IdleTimeout is how long a relay may go without bytes in either direction,
	// HalfCloseTimeout the same once one side has ended its stream.
	IdleTimeout, HalfCloseTimeout time.Duration
	// MaxAge is the age at which a relay is cut. It is spread by ±10 %, so that
	// relays that began together do not end together.
	MaxAge time.Duration
}

// expiry returns when a relay that begins now reaches MaxAge, or zero for never.
func (l Limits) expiry(now moment) moment {
	if l.MaxAge <= 0 {
		return 0
	}
	return now + spread(l.MaxAge)
}

// spread returns d ±10 %.
func spread(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

// overdue returns why the relay is past a limit, or an empty Ending.
func (l Limits) overdue(r *relay, now moment) Ending {
	if r.expires > 0 && now > r.expires {
		return MaxAge
	}
	limit, why := l.IdleTimeout, Idle
	if r.activity.half {
		limit, why = l.HalfCloseTimeout, HalfCloseTimeout
	}
	if r.activity.idleFor(r, limit, now) {
		return why
	}
	return ""
}
