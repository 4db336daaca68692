package l4

// Slots limits the client connections that are open at once, over all frontends
// that share it. A nil Slots is no limit. It is safe for concurrent use.
type Slots struct {
	taken chan struct{}
}

// NewSlots returns n free slots, or nil, which is no limit, if n is less than 1.
func NewSlots(n int) *Slots {
	if n < 1 {
		return nil
	}
	return &Slots{taken: make(chan struct{}, n)}
}

// Wait waits until a slot is free, without taking it: a frontend that waits for a
// client must not hold a slot that another frontend could use. It returns false
// if done is closed first.
func (s *Slots) Wait(done <-chan struct{}) bool {
	if !s.Acquire(done) {
		return false
	}
	s.Release()
	return true
}

// Acquire waits for a free slot and takes it. It returns false if done is closed
// first.
func (s *Slots) Acquire(done <-chan struct{}) bool {
	if s == nil {
		return true
	}
	select {
	case s.taken <- struct{}{}:
		return true
	case <-done:
		return false
	}
}

// Release frees a slot that Acquire has taken.
func (s *Slots) Release() {
	if s != nil {
		<-s.taken
	}
}

// Taken returns how many slots are taken, or 0 without a limit.
func (s *Slots) Taken() int {
	if s == nil {
		return 0
	}
	return len(s.taken)
}
