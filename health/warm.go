package health

import "time"

const (
	// warmSteps is in how many steps a recovered backend's weight grows.
	warmSteps = 10
	// warmSlots bounds the slots of a ring in which some weights grow: beyond, they
	// grow in coarser steps.
	warmSlots = 1 << 16
)

// weigh returns these backends with the weights that they have now. While one of
// them recovers all weights are multiplied, so that it can have a fraction. It is
// called with Pool.mu held.
func weigh(backends []*Backend, slowStart time.Duration, now time.Time) []member {
	total, warm := 0, true
	for _, b := range backends {
		total += b.CurrentWeight()
		warm = warm && b.warmth(slowStart, now) == warmSteps
	}
	scale := 1
	if !warm {
		scale = min(warmSteps, max(1, warmSlots/total))
	}
	members := make([]member, 0, len(backends))
	for _, b := range backends {
		weight := b.CurrentWeight() * scale * b.warmth(slowStart, now) / warmSteps
		members = append(members, member{b, max(weight, 1)})
	}
	return members
}

// warmth returns how many of warmSteps the backend has done since it recovered, at
// least one.
func (b *Backend) warmth(slowStart time.Duration, now time.Time) int {
	since := now.Sub(b.recovered)
	if slowStart <= 0 || since >= slowStart {
		return warmSteps
	}
	return 1 + int(float64(since)/float64(slowStart)*(warmSteps-1))
}

// warm gives recovering backends the weights that they should have by now. It
// returns the time until b's next step, or zero if b has its full weight.
func (p *Pool) warm(b *Backend) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.SlowStart - time.Since(b.recovered)
	if b.recovered.IsZero() || b.Status().State != Up {
		return 0
	}
	p.publishLocked()
	if left <= 0 {
		b.recovered = time.Time{}
		return 0
	}
	return min(left, max(p.SlowStart/warmSteps, time.Millisecond))
}
