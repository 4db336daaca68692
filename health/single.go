package health

import "slices"

// Active returns the backend that takes all traffic with the policy Single. It is nil
// with other policies, and while no backend is up.
func (p *Pool) Active() *Backend {
	if members := p.ring.Load().members; p.Balance == Single && len(members) > 0 {
		return members[0].Backend
	}
	return nil
}

// chooseActiveLocked returns the one of these backends that takes all traffic: the one
// that had it last if it is among them, so that a backend which comes back changes
// nothing, or else the first.
func (p *Pool) chooseActiveLocked(available []*Backend) []*Backend {
	if len(available) == 0 {
		return nil
	}
	i := max(slices.Index(available, p.active), 0)
	p.active = available[i]
	return available[i : i+1]
}
