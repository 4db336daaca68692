package l7

// retiring reports whether responses are to end their connections: the server is
// draining, or there are few slots left.
func (s *Server) retiring() bool { return s.draining.Load() || s.Slots.Scarce() }

// idleCount returns how many connections wait for another request.
func (s *Server) idleCount() (n int) {
	s.each(func(l *ofLoop) { n += l.idle.len })
	return n
}

// giveWay half-closes the connection that has been idle longest, and releases its slot.
// It reports whether there was one.
//
// The slot is released before the connection has ended, which takes a client that does
// not notice lingerGap: new clients would wait for that one after the other. So there are
// a tenth more connections than slots at most, of all frontends, and not for long.
func (s *Server) giveWay() bool {
	s.giving.Lock()
	defer s.giving.Unlock()
	if !s.Slots.MaySpare() {
		return false
	}
	for tried := map[*ofLoop]bool{}; len(tried) < len(s.all()); {
		var oldest *ofLoop
		longest := -1
		s.each(func(l *ofLoop) {
			l.tick()
			if _, waits := l.longestIdle(); !tried[l] && waits > longest {
				oldest, longest = l, waits
			}
		})
		if oldest == nil {
			return false
		}
		gave := false
		oldest.call(func() { gave = oldest.spare() })
		if gave {
			return true
		}
		tried[oldest] = true
	}
	return false
}

// longestIdle returns the connection that has waited for a request longest, and for how
// many pulses, or -1 without one. Those that have been silent since they were accepted
// count after lingerGap.
func (l *ofLoop) longestIdle() (c *conn, waits int) {
	waits = -1
	if first := l.idle.first; first != nil {
		c, waits = first, int(l.now-first.since)
	}
	if first := l.fresh.first; first != nil {
		if silent := int(l.now - first.since); silent > int(pulses(lingerGap)) && silent > waits {
			c, waits = first, silent
		}
	}
	return c, waits
}

// spare closes a connection to make room, and reports whether there was one. One that has
// a request waiting in its socket is passed over: it is about to be served.
func (l *ofLoop) spare() bool {
	for {
		c, _ := l.longestIdle()
		if c == nil {
			return false
		}
		if !c.nc.Quiet() {
			l.busy.push(c)
			continue
		}
		c.stop(gaveWay)
		c.endStream()
		c.spared = true
		l.srv.Slots.Spare()
		return true
	}
}

// releaseSlot releases the connection's slot when it has ended.
func (c *conn) releaseSlot() {
	if c.spared {
		c.srv.Slots.Spared()
		return
	}
	c.srv.Slots.Release()
}
