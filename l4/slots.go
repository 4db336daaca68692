package l4

import (
	"sync"
	"time"
)

// Slots limits the client connections that are open at once, over all frontends
// that share it. A nil Slots is no limit. It is safe for concurrent use.
type Slots struct {
	taken chan struct{}

	mu     sync.Mutex
	onFull []func() bool
}

// askAgain is the time between two calls of the functions of OnFull for one client.
const askAgain = 50 * time.Millisecond

// NewSlots returns n free slots, or nil, which is no limit, if n is less than 1.
func NewSlots(n int) *Slots {
	if n < 1 {
		return nil
	}
	return &Slots{taken: make(chan struct{}, n)}
}

// OnFull has f called when a client waits and no slot is free, until one is. If f can
// spare a connection, it ends it, releases its slot and returns true.
func (s *Slots) OnFull(f func() bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onFull = append(s.onFull, f)
}

// Acquire takes a slot for a client. If none is free, it asks for one by the functions
// of OnFull, and waits. It returns false if done is closed first.
func (s *Slots) Acquire(done <-chan struct{}) bool {
	if s == nil {
		return true
	}
	select {
	case s.taken <- struct{}{}:
		return true
	default:
	}
	again := time.NewTicker(askAgain)
	defer again.Stop()
	for {
		s.askForOne()
		select {
		case s.taken <- struct{}{}:
			return true
		case <-done:
			return false
		case <-again.C:
		}
	}
}

func (s *Slots) askForOne() {
	s.mu.Lock()
	asked := s.onFull // only appended to
	s.mu.Unlock()
	for _, f := range asked {
		if f() {
			return
		}
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

// Limit returns how many slots there are, or 0 without a limit.
func (s *Slots) Limit() int {
	if s == nil {
		return 0
	}
	return cap(s.taken)
}

// Scarce reports whether nine tenths of the slots are taken.
func (s *Slots) Scarce() bool { return s != nil && 10*len(s.taken) >= 9*cap(s.taken) }
