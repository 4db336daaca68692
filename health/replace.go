package health

// Replace makes these the pool's backends, in this order. An address that stays
// keeps its state, its counters and its connections, also with other options. One
// that leaves gets no new turns, and its connections go on. One that comes takes
// traffic when a probe of it has passed. If none that is up stays, those that left
// go on taking turns until the new ones have been probed, or, if there are none,
// have come.
func (p *Pool) Replace(backends []*Backend) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := make(map[string]*Backend, len(p.backends))
	for _, b := range p.backends {
		before[b.Addr] = b
	}
	var added, altered, removed []string
	next := make([]*Backend, 0, len(backends))
	changed := len(backends) != len(before)
	for i, b := range backends {
		old := before[b.Addr]
		delete(before, b.Addr)
		if old == nil {
			added = append(added, b.Addr)
		}
		b = p.adoptLocked(b, old)
		if old != nil && b != old {
			altered = append(altered, b.String())
		}
		next = append(next, b)
		changed = changed || b != p.backends[i]
	}
	for _, b := range p.backends {
		if before[b.Addr] != nil {
			p.dismissLocked(b)
			removed = append(removed, b.Addr)
		}
	}
	if !changed {
		return
	}
	p.backends = next
	p.logReplaced(added, altered, removed)
	p.replacedLocked()
}

// replacedLocked publishes the ring of a new list.
func (p *Pool) replacedLocked() {
	if p.unprobed {
		p.markUpLocked()
	}
	p.handover = true
	p.publishLocked()
	select {
	case p.changedc <- struct{}{}:
	default: // the checker has yet to look
	}
}

// adoptLocked returns what stands for b in the pool: old itself if nothing has
// changed, and else b, with what is known of its address.
func (p *Pool) adoptLocked(b, old *Backend) *Backend {
	switch {
	case old != nil && old.sameOptions(b):
		return old
	case old != nil:
		b.adopt(old)
		return b
	}
	if gone := p.departed[b.Addr]; gone != nil {
		delete(p.departed, b.Addr)
		b.adopt(gone)
		b.status.Store(&Status{})
	}
	b.member, b.late = true, p.Ready()
	return b
}

// adopt gives b what is known of the same address. Another weight in the list
// outweighs the operator's.
func (b *Backend) adopt(old *Backend) {
	b.vitals = old.vitals
	if b.Weight != old.Weight {
		b.given.Store(0)
	}
}

// dismissLocked lets the backend go. It is remembered while it has connections,
// which count if it comes back, and if the operator has said something of it: an
// address that is drained may leave DNS for a while.
func (p *Pool) dismissLocked(b *Backend) {
	b.member = false
	p.departed[b.Addr] = b
	for addr, gone := range p.departed {
		if gone.Active() == 0 && !gone.steered() {
			delete(p.departed, addr)
		}
	}
}

func (p *Pool) logReplaced(added, altered, removed []string) {
	if p.Logger != nil {
		p.Logger.Info("backends changed", "added", list(added), "removed", list(removed), "altered", list(altered))
	}
}
