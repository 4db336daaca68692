package health

// ring is the layout of the backends that may take traffic now. It is never
// changed once published.
type ring []*Backend

// newRing lays the backends out by smooth weighted round robin: each stands in
// the ring once per unit of weight (divided by what the weights have in common),
// as far from its own other places as the weights allow, and the first backend of
// the heaviest comes first.
func newRing(backends []*Backend) ring {
	total, common := 0, 0
	for _, b := range backends {
		total += b.Weight
		common = gcd(common, b.Weight)
	}
	if total == 0 {
		return nil
	}
	r := make(ring, 0, total/common)
	current := make([]int, len(backends))
	for len(r) < cap(r) {
		best := 0
		for i, b := range backends {
			current[i] += b.Weight
			if current[i] > current[best] {
				best = i
			}
		}
		current[best] -= total
		r = append(r, backends[best])
	}
	return r
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// at returns the backend of that ticket. The ring must not be empty.
func (r ring) at(ticket uint64) *Backend {
	return r[ticket%uint64(len(r))]
}

// other returns a backend that is not among tried, or nil. Successive rounds of
// the ring end at different backends, so that the turns of one that does not
// answer spread over all others instead of doubling its neighbour's.
func (r ring) other(ticket uint64, tried []*Backend) *Backend {
	untried := uint64(0)
	for _, b := range r {
		if !contains(tried, b) {
			untried++
		}
	}
	if untried == 0 {
		return nil
	}
	skip := ticket / uint64(len(r)) % untried
	for _, b := range r {
		if contains(tried, b) {
			continue
		}
		if skip == 0 {
			return b
		}
		skip--
	}
	return nil
}

func contains(tried []*Backend, b *Backend) bool {
	for _, t := range tried {
		if t == b {
			return true
		}
	}
	return false
}
