package l7

import "slices"

// candidates is how many connections one look finds that may give way.
const candidates = 64

// candidate is a connection that may give way for as long as its word is unchanged.
type candidate struct {
	conn        *conn
	word, since uint32
}

// retiring reports whether responses are to end their connections: the server is
// draining, or there are few slots left.
func (s *Server) retiring() bool { return s.draining.Load() || s.Slots.Scarce() }

// idleCount returns how many connections wait for a request. It looks at most once a
// pulse: new clients ask for it one after the other.
func (s *Server) idleCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now.Load(); s.idleSeen != now+1 {
		s.idleSeen, s.idle = now+1, 0
		for c := range s.conns {
			if word := c.state.word.Load(); causeOf(word) == running && phaseOf(word) == idle {
				s.idle++
			}
		}
	}
	return s.idle
}

// giveWay half-closes the connection that has been idle longest, and releases its slot.
// It reports whether there was one.
//
// The slot is released before the connection has ended, which takes a client that does
// not notice lingerGap: new clients would wait for that one after the other. So there are
// a tenth more connections than slots at most, of all frontends, and not for long.
func (s *Server) giveWay() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Slots.MaySpare() {
		return false
	}
	for range 2 {
		for len(s.longest) > 0 {
			last := s.longest[len(s.longest)-1]
			s.longest = s.longest[:len(s.longest)-1]
			if s.spareLocked(last) {
				return true
			}
		}
		s.findLongestLocked()
	}
	return false
}

// spareLocked reports whether the connection gave way. One that has a request waiting
// in its socket does not.
func (s *Server) spareLocked(last candidate) bool {
	c := last.conn
	if _, open := s.conns[c]; !open || !c.sock.quiet() || !c.state.stopIf(last.word, gaveWay) {
		return false
	}
	c.endStream()
	c.spared = true
	s.Slots.Spare()
	return true
}

// findLongestLocked looks for the connections that have been idle longest, and those
// that have been silent since they were accepted.
func (s *Server) findLongestLocked() {
	now := s.now.Load()
	s.longest = s.longest[:0]
	for c := range s.conns {
		word, since := c.state.word.Load(), c.state.since.Load()
		if causeOf(word) != running || phaseOf(word) > idle || phaseOf(word) == fresh && int32(now-since) <= int32(pulses(lingerGap)) {
			continue
		}
		s.longest = append(s.longest, candidate{c, word, since})
	}
	slices.SortFunc(s.longest, func(a, b candidate) int { return int(int32(b.since - a.since)) })
	if n := len(s.longest) - candidates; n > 0 {
		s.longest = slices.Delete(s.longest, 0, n)
	}
}

// releaseSlot releases the connection's slot when it has ended.
func (c *conn) releaseSlot() {
	if !c.spared {
		c.srv.Slots.Release()
	}
}
