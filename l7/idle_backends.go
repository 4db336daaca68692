package l7

import (
	"time"

	"fourseven/health"
)

// tooMany reports whether there are more unused connections than there may be.
func (u *upstreams) tooMany() bool { return u.maxIdle > 0 && u.idle.Load() > u.maxIdle }

// closeOldest closes the connection that has been idle longest.
func (u *upstreams) closeOldest(now uint32) {
	var oldest *upstream
	longest := int64(-1)
	u.pools.Range(func(_, pool any) bool {
		if idle := pool.(*upstream).longestIdle(now); idle > longest {
			oldest, longest = pool.(*upstream), idle
		}
		return true
	})
	if oldest == nil {
		return // others have closed or taken them
	}
	oldest.mu.Lock()
	taken := oldest.takeLocked(min(1, len(oldest.idle)))
	oldest.mu.Unlock()
	closeConns(taken)
}

// longestIdle returns for how many pulses the connection that has been idle longest has
// been so, or -1 if there is none.
func (u *upstream) longestIdle(now uint32) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.idle) == 0 {
		return -1
	}
	return max(int64(int32(now-u.idle[0].idleSince)), 0)
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
	if !p.set {
		return false
	}
	if int32(now-p.until) >= 0 {
		*p = pause{}
		return false
	}
	p.closed++
	return true
}

// GiveUpIdle closes the unused connections to a backend, and those that become unused
// within that time: a backend that serves one connection at a time responds to nobody
// else as long as there is one. It reports whether any were closed, also since the last
// call if its time has not passed.
func (s *Server) GiveUpIdle(b *health.Backend, within time.Duration) bool {
	pool, ok := s.upstreams.pools.Load(b)
	if !ok {
		return false
	}
	u := pool.(*upstream)
	u.mu.Lock()
	idle := u.takeLocked(len(u.idle))
	closed := len(idle) + u.pause.closed
	u.pause = pause{until: s.now.Load() + pulses(within), set: true}
	u.mu.Unlock()
	closeConns(idle)
	return closed > 0
}
