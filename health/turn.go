package health

import "net/netip"

// Turn is one connection's or request's turn among the backends. It belongs to
// one goroutine.
type Turn struct {
	pool *Pool
	draw draw
	last *Backend
}

// Turn returns the turn of one connection or request. It draws its ticket at
// the first Next.
func (p *Pool) Turn() Turn { return p.TurnFor(netip.Addr{}) }

// TurnFor is Turn for a client with that address, which SourceHash goes by. The
// zero Addr is that of a client without one.
func (p *Pool) TurnFor(client netip.Addr) Turn {
	t := Turn{pool: p}
	switch {
	case p.Balance == SourceHash && client.IsValid():
		t.draw.key, t.draw.keyed = hashAddr(client), true
	case p.Balance == Random2:
		t.draw.key = p.salt
	}
	return t
}

// Next returns the backend whose turn it is; called again, another one that was
// not tried in this turn, without a second ticket. It passes over backends that
// have all the connections they may have. It returns nil when there is none
// (left). It never blocks, and the first call never allocates. The caller must
// call Release on the result exactly once.
func (t *Turn) Next() *Backend {
	r := t.pool.ring.Load()
	if t.last != nil {
		t.draw.tried = append(t.draw.tried, t.last)
	} else if len(r.members) > 0 {
		t.draw.ticket = t.pool.ticket.Add(1) - 1
	}
	b := t.take(r)
	if b != nil {
		t.last = b
	}
	return b
}

// take returns a backend of the ring that has been acquired, or nil.
func (t *Turn) take(r *ring) *Backend {
	for {
		i := t.pool.Balance.pick(r, &t.draw)
		if i < 0 {
			return nil
		}
		if b := r.members[i].Backend; b.acquire() {
			return b
		} // else others have filled it since: the next pick passes it over
	}
}

// Tried reports whether Next has returned a backend.
func (t *Turn) Tried() bool { return t.last != nil }

// Last returns the backend that Next returned last, or nil.
func (t *Turn) Last() *Backend { return t.last }
