package l4

// Slots bounds how many client connections there are at once, over all
// frontends. The zero value bounds nothing. It is safe for concurrent use.
type Slots struct {
	c chan struct{}
}

// NewSlots returns n free slots. With n under 1 it bounds nothing.
func NewSlots(n int) Slots {
	if n < 1 {
		return Slots{}
	}
	return Slots{c: make(chan struct{}, n)}
}

// Wait waits until a slot is free, without taking it: a frontend that waits for a
// client must not hold a place that another's could have. It reports false if
// done was closed first.
func (s Slots) Wait(done <-chan struct{}) bool {
	if !s.Acquire(done) {
		return false
	}
	s.Release()
	return true
}

// Acquire waits for a free slot and takes it. It reports false if done was closed
// first.
func (s Slots) Acquire(done <-chan struct{}) bool {
	if s.c == nil {
		return true
	}
	select {
	case s.c <- struct{}{}:
		return true
	case <-done:
		return false
	}
}

// Release frees a slot that Acquire gave.
func (s Slots) Release() {
	if s.c != nil {
		<-s.c
	}
}

// Taken returns how many slots are taken, 0 without a bound.
func (s Slots) Taken() int { return len(s.c) }

// What is kept back of the descriptor limit: for listeners, logs and admin, for
// probes, and for the pipes of bulk transfers, two descriptors each.
const (
	keptBack   = 32
	keptProbes = 32 // at most; else one a backend
	pipeShare  = 8  // one part in
)

// ConnsFor returns how many client connections a process with that many
// descriptors can serve, each with one to a backend; at least 1.
func ConnsFor(descriptors uint64, backends int) int {
	kept := uint64(keptBack + min(backends, keptProbes))
	kept += descriptors / pipeShare
	if descriptors < kept+2 {
		return 1
	}
	return int(min((descriptors-kept)/2, 10_000_000))
}
