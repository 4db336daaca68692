package health

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Policy is how the backend of a turn is chosen. All policies keep to the
// weights, pass over backends that have all the connections they may have, and
// take backups only when nothing else is up. The zero Policy is RoundRobin.
type Policy uint8

// The policies.
const (
	// RoundRobin follows the order of the ring.
	RoundRobin Policy = iota
	// LeastConn takes the backend with the fewest connections for its weight. Among
	// equals the turn decides.
	LeastConn
	// Random2 draws two backends by their weights, and takes the one with fewer
	// connections for its weight. Unlike LeastConn it costs the same for any number
	// of backends, and several instances do not all run to the same one.
	Random2
	// SourceHash takes the same backend for the same client address, on every
	// instance. A backend that leaves moves only its own clients, one that comes
	// takes only its share (weighted rendezvous hashing). Clients without an address
	// get a turn.
	SourceHash
	// Single gives all turns to one backend for as long as it may take traffic; then
	// to the first in the list that may. One that comes back changes nothing. The Pool
	// does that, by a ring of one backend.
	Single
)

var policyNames = [...]string{"round_robin", "least_conn", "random2", "source_hash", "single"}

// String returns the policy's name as settings have it.
func (p Policy) String() string { return policyNames[p] }

// UnmarshalText reads a policy's name.
func (p *Policy) UnmarshalText(text []byte) error {
	i := slices.Index(policyNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("unknown policy %q", text)
	}
	*p = Policy(i)
	return nil
}

// draw is what a choice depends on besides the ring.
type draw struct {
	ticket uint64
	key    uint64 // the client's hash, or the pool's salt
	keyed  bool   // key is the client's
	tried  []*Backend
}

// allows reports whether the backend was not tried and is not full.
func (d *draw) allows(b *Backend) bool { return !b.full() && !contains(d.tried, b) }

// pick returns the member that the policy chooses among those that d allows, or -1.
// The choice is a pure function of ring, draw and the members' connections.
func (p Policy) pick(r *ring, d *draw) int {
	if len(r.members) == 0 {
		return -1
	}
	switch {
	case p == LeastConn:
		return leastConn(r, d)
	case p == Random2:
		return random2(r, d)
	case p == SourceHash && d.keyed:
		return sourceHash(r, d)
	}
	return roundRobin(r, d)
}

func roundRobin(r *ring, d *draw) int {
	i := int(r.slots[d.ticket%uint64(len(r.slots))])
	if d.allows(r.members[i].Backend) {
		return i
	}
	return substitute(r, d)
}

// substitute returns a member for the turn of one that d does not allow, or -1.
// Successive rounds of the ring end at different members, so that the turns of one
// that does not respond spread over all others by their weights instead of doubling
// its neighbour's.
func substitute(r *ring, d *draw) int {
	total := 0
	for _, m := range r.members {
		if d.allows(m.Backend) {
			total += m.weight
		}
	}
	if total == 0 {
		return -1
	}
	skip := int(d.ticket / uint64(len(r.slots)) % uint64(total))
	last := -1
	for i, m := range r.members {
		if !d.allows(m.Backend) {
			continue
		}
		last = i
		if skip -= m.weight; skip < 0 {
			return i
		}
	}
	return last // one has filled up since total was taken
}

func leastConn(r *ring, d *draw) int {
	best := roundRobin(r, d)
	if best < 0 {
		return -1
	}
	n := len(r.members)
	for i, at := 1, best; i < n && r.members[best].Active() > 0; i++ {
		if at++; at == n {
			at = 0
		}
		if r.lighter(at, best) && d.allows(r.members[at].Backend) {
			best = at
		}
	}
	return best
}

// lighter reports whether member i has fewer connections for its weight than j.
func (r *ring) lighter(i, j int) bool {
	a, b := &r.members[i], &r.members[j]
	return a.Active()*int64(b.weight) < b.Active()*int64(a.weight)
}

func random2(r *ring, d *draw) int {
	n := uint64(len(r.slots))
	first := mix(d.ticket ^ d.key)
	at, _ := bits.Mul64(first, n) // from 0 to n-1
	i := int(r.slots[at])
	if n > 1 {
		skip, _ := bits.Mul64(mix(first), n-1)
		j := int(r.slots[(at+1+skip)%n])
		if r.lighter(j, i) || !d.allows(r.members[i].Backend) {
			i, j = j, i
		}
		if !d.allows(r.members[i].Backend) {
			i = j
		}
	}
	if d.allows(r.members[i].Backend) {
		return i
	}
	return substitute(r, d)
}

// sourceHash computes for each member a number from key and member, distributed as
// the time until the first event at the rate of its weight, and takes the soonest.
// In a class the soonest is the one with the highest hash, so there is one
// logarithm a class.
func sourceHash(r *ring, d *draw) int {
	best, soonest := -1, math.Inf(1)
	for i := range r.classes {
		c := &r.classes[i]
		at, hash := c.highest(r, d)
		if at < 0 {
			continue
		}
		uniform := (float64(hash>>11) + 0.5) / (1 << 53)
		if when := -math.Log(uniform) / float64(c.weight); when < soonest {
			best, soonest = at, when
		}
	}
	return best
}

// highest returns the member with the highest hash among those that d allows, or -1.
func (c *class) highest(r *ring, d *draw) (at int, hash uint64) {
	at = -1
	for i, id := range c.ids {
		h := mix(d.key ^ id) // differs for each id
		if (h > hash || at < 0) && d.allows(r.members[c.members[i]].Backend) {
			at, hash = int(c.members[i]), h
		}
	}
	return at, hash
}
