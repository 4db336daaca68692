package l7

import (
	"time"

	"fourseven/health"
)

// tooMany reports whether there are more unused connections than there may be.
func (u *upstreams) tooMany() bool { return u.maxIdle > 0 && u.idle.Load() > u.maxIdle }

// closeOldest closes the connection that has been idle longest.
func (u *upstreams) closeOldest() {
	var oldest *upstream
	var loop int
	var since uint32
	u.pools.Range(func(_, pool any) bool {
		if i, s, ok := pool.(*upstream).longestIdle(); ok && (oldest == nil || int32(s-since) < 0) {
			oldest, loop, since = pool.(*upstream), i, s
		}
		return true
	})
	if oldest == nil {
		return // others have closed or taken them
	}
	oldest.mu.Lock()
	taken := oldest.takeLocked(loop, min(1, len(oldest.idle[loop])))
	oldest.mu.Unlock()
	closeConns(taken)
}

// longestIdle returns the loop of the connection that has been idle longest, and since
// when. It reports false if there is none.
func (u *upstream) longestIdle() (loop int, since uint32, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, idle := range u.idle {
		if len(idle) > 0 && (!ok || int32(idle[0].idleSince-since) < 0) {
			loop, since, ok = i, idle[0].idleSince, true
		}
	}
	return loop, since, ok
}

// pause is a time in which a backend's connections are closed when they are not used.
type pause struct {
	until  uint32 // pulse; only if set
	set    bool
	closed int // connections since the pause was set
}

// refuses reports whether a connection that becomes idle now must be closed, and
// counts it then.
func (p *pause) refuses(now uint32) bool {
	if !p.lasts(now) {
		*p = pause{}
		return false
	}
	p.closed++
	return true
}

// lasts reports whether the pause is set and its time has not passed.
func (p *pause) lasts(now uint32) bool { return p.set && int32(now-p.until) < 0 }

// GiveUpIdle closes the unused connections to a backend, and those that become unused
// within that time: a backend that serves one connection at a time does not respond on
// another one while they are open. It reports whether any were closed, also since the last
// call if its time has not passed.
func (s *Server) GiveUpIdle(b *health.Backend, within time.Duration) bool {
	pool, ok := s.upstreams.pools.Load(b)
	if !ok {
		return false
	}
	u := pool.(*upstream)
	u.mu.Lock()
	idle := u.takeAllLocked()
	closed := len(idle) + u.pause.closed
	u.pause = pause{until: s.pulseAt(time.Now()) + pulses(within), set: true}
	u.mu.Unlock()
	closeConns(idle)
	return closed > 0
}
