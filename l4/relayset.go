package l4

import (
	"cmp"
	"math"
	"time"

	"fourseven/internal/loop"
)

// relaySet is the open relays of one loop, and the sweep, which looks at all of them
// again and again: no connection keeps a timer of its own. It belongs to the loop.
type relaySet struct {
	relays         *Relays
	loop           *loop.Loop
	open           []place
	sweeping       bool   // there is a fiber of sweep
	dozing         bool   // it passes over looks, because all relays do without them
	dozes          moment // since when
	turn           uint32 // sweeps begun; an older one ends
	looks          int    // so far, those that were passed over included
	received, sent int64  // reported by relays so far
	begun          uint64 // relays so far
	listing        Listing
}

// place is where a relay stands. The sweep passes over one that is idle without
// touching its memory.
type place struct {
	relay *relay
	skip  int // looks that do without it
}

// breathe is how many relays a walk meets before it lets others go first.
const breathe = 1024

func (s *relaySet) add(r *relay) {
	now := s.relays.now()
	r.activity.since = now
	r.expires = s.relays.Limits.expiry(now)
	s.begun++
	r.set, r.place, r.number = s, int32(len(s.open)), s.begun
	s.open = append(s.open, place{relay: r})
	if !s.sweeping || s.dozing { // a new relay does not do without the next look
		if s.dozing {
			busy, _ := s.relays.pace()
			s.pass(int((now - s.dozes) / busy))
		}
		s.turn++
		s.sweeping = s.loop.Go(s.sweep)
	}
}

// remove takes out a relay that is over. The last one takes its place.
func (s *relaySet) remove(r *relay) {
	r.report()
	last := len(s.open) - 1
	s.open[r.place] = s.open[last]
	s.open[r.place].relay.place = r.place
	s.open[last] = place{}
	s.open = s.open[:last]
	r.place = -1
}

// sweep is a fiber that looks at the relays as long as there are any. Looks that all of
// them do without are passed over: a loop with idle connections alone hardly wakes.
func (s *relaySet) sweep() {
	turn := s.turn
	defer func() {
		if turn == s.turn {
			s.sweeping = false
		}
	}()
	busy, idle := s.relays.pace()
	for len(s.open) > 0 {
		spare := s.spare()
		s.dozing, s.dozes = spare > 0, s.relays.now()
		// Sleep fails when the loops are being closed, which ends the relays.
		failed := s.loop.Sleep(busy * time.Duration(1+spare))
		if failed != nil || turn != s.turn {
			return
		}
		s.pass(spare)
		s.look(int(idle/busy) - 1)
		if turn != s.turn { // look lets others go first
			return
		}
	}
}

// spare returns how many looks all relays do without.
func (s *relaySet) spare() int {
	least := math.MaxInt
	for i := range s.open {
		if least = min(least, s.open[i].skip); least == 0 {
			break
		}
	}
	return least
}

// pass ends a doze, in which so many looks were passed over.
func (s *relaySet) pass(looks int) {
	s.dozing = false
	s.looks += looks
	for i := range s.open {
		s.open[i].skip = max(s.open[i].skip-looks, 0)
	}
}

// look looks at each relay, and cuts those that are past a limit. One that has been
// idle since the last look is spared the next ones.
func (s *relaySet) look(skip int) {
	now := s.relays.now()
	defer func() { s.looks++ }()
	s.walk(func(p *place) bool {
		if p.skip > 0 {
			p.skip--
			return true
		}
		why, active := s.relays.inspect(p.relay, now)
		if !active {
			p.skip = skip - s.looks%(skip+1) // all idle ones are looked at in the same look
		}
		if why != "" {
			p.relay.end(why)
		}
		return true
	})
}

// walk calls a function with the place of each open relay until it returns false. Other
// fibers go first now and then: a relay may be met twice, and one that begins during the
// walk is not met.
func (s *relaySet) walk(do func(*place) bool) {
	for i := len(s.open) - 1; i >= 0; i = min(i, len(s.open)) - 1 {
		if !do(&s.open[i]) {
			return
		}
		if i%breathe == breathe-1 {
			s.loop.Yield()
		}
	}
}

// pace returns the time between two looks at a relay that moves bytes, and at one that
// is idle: a tenth of the shortest limit, and a second at most while bytes move.
func (rs *Relays) pace() (busy, idle time.Duration) {
	idle = cmp.Or(rs.userTimeout, userTimeout) / 10
	for _, limit := range []time.Duration{rs.Limits.IdleTimeout, rs.Limits.HalfCloseTimeout, rs.Limits.MaxAge} {
		if limit > 0 {
			idle = min(idle, limit/10)
		}
	}
	idle = max(idle, time.Millisecond)
	return min(idle, time.Second), idle
}

// inspect acts on the relay's activity. It returns why the relay is past a limit, or an
// empty Ending; and whether bytes have moved since the last call.
func (rs *Relays) inspect(r *relay, now moment) (why Ending, active bool) {
	timeout := cmp.Or(rs.userTimeout, userTimeout)
	r.report()
	r.tune()
	if active = r.activity.note(r, now); active {
		r.restoreUserTimeout(timeout)
	}
	r.liftUserTimeout(timeout, now)
	return rs.Limits.overdue(r, now), active
}
