package l4

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fourseven/internal/loop"
)

// Slots limits the client connections that are open at once, over all frontends
// that share it. A nil Slots is no limit. It is safe for concurrent use.
type Slots struct {
	taken  chan struct{}
	within *Slots       // whose slot each of these takes as well; may be nil
	spared atomic.Int64 // slots of connections that Spare was called for and Spared was not

	mu     sync.Mutex
	spares []spare
}

// spare is a frontend that can end connections in favour of new clients.
type spare struct {
	idle    func() int
	giveWay func() bool
}

// askAgain is the time between two calls of the functions of OnFull for one client.
const askAgain = 50 * time.Millisecond

// NewSlots returns n free slots, or nil, which is no limit, if n is less than 1.
func NewSlots(n int) *Slots { return (*Slots)(nil).Share(n) }

// Share returns n free slots, each of which takes one of s as well when it is taken. If n
// is less than 1, it returns s: there is no further limit.
//
// At their own limit, the frontends that share the n slots wait without holding any of
// s, so that others find those free.
func (s *Slots) Share(n int) *Slots {
	if n < 1 {
		return s
	}
	return &Slots{taken: make(chan struct{}, n), within: s}
}

// OnFull has giveWay called when a client waits and no slot is free, until one is: that
// of the frontend for which idle returns the most connections, then the others. If
// giveWay can spare a connection, it ends it, releases its slot (Spare) and returns true.
func (s *Slots) OnFull(idle func() int, giveWay func() bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	s.spares = append(s.spares, spare{idle, giveWay})
	s.mu.Unlock()
	s.within.OnFull(idle, giveWay)
}

// Acquire takes a slot for a client. If none is free, it asks for one by the functions
// of OnFull, and waits. It returns false if done is closed first.
func (s *Slots) Acquire(done <-chan struct{}) bool {
	if s == nil {
		return true
	}
	if !s.acquireOwn(done) {
		return false
	}
	if !s.within.Acquire(done) {
		<-s.taken
		return false
	}
	return true
}

// tryAcquire takes a slot for a client if one is free.
func (s *Slots) tryAcquire() bool {
	if s == nil {
		return true
	}
	select {
	case s.taken <- struct{}{}:
	default:
		return false
	}
	if s.within.tryAcquire() {
		return true
	}
	<-s.taken
	return false
}

func (s *Slots) acquireOwn(done <-chan struct{}) bool {
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

// askForOne asks the frontends for a slot, until one of them closes a connection for it.
func (s *Slots) askForOne() {
	s.mu.Lock()
	asked := slices.Clone(s.spares)
	s.mu.Unlock()
	if len(asked) > 1 {
		asked = mostIdleFirst(asked)
	}
	for _, one := range asked {
		if one.giveWay() {
			return
		}
	}
}

func mostIdleFirst(all []spare) []spare {
	type counted struct {
		spare
		conns int
	}
	var order []counted
	for _, one := range all {
		order = append(order, counted{one, one.idle()})
	}
	slices.SortStableFunc(order, func(a, b counted) int { return b.conns - a.conns })
	for i, one := range order {
		all[i] = one.spare
	}
	return all
}

// AcquireWithin takes a slot for a connection that has one of outer already, which s is
// shared from or is itself. It is called in a fiber of the loop. If none is free, it asks
// for one by the functions of OnFull, and waits for the time, and no longer than until the
// context is done. Release of s frees both slots.
func (s *Slots) AcquireWithin(ctx context.Context, l *loop.Loop, outer *Slots, limit time.Duration) (taken bool) {
	if s == outer {
		return true
	}
	select {
	case s.taken <- struct{}{}:
		return true
	default:
	}
	l.Await(func() {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		taken = s.acquireOwn(ctx.Done())
	})
	return taken
}

// ReleaseWithin frees the slot of AcquireWithin, and keeps that of outer.
func (s *Slots) ReleaseWithin(outer *Slots) {
	if s != outer {
		<-s.taken
	}
}

// Release frees a slot that Acquire has taken.
func (s *Slots) Release() {
	if s != nil {
		s.within.Release()
		<-s.taken
	}
}

// MaySpare reports whether Spare may be called: slots of connections that have not ended
// yet are released for a tenth of all at most.
func (s *Slots) MaySpare() bool {
	return s == nil || s.spared.Load() < int64(max(1, cap(s.taken)/10)) && s.within.MaySpare()
}

// Spare releases the slot of a connection that is being closed. Spared is called when it
// has ended.
func (s *Slots) Spare() {
	s.addSpared(1)
	s.Release()
}

// Spared notes that a connection whose slot Spare released has ended.
func (s *Slots) Spared() { s.addSpared(-1) }

func (s *Slots) addSpared(n int64) {
	for ; s != nil; s = s.within {
		s.spared.Add(n)
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

// Scarce reports whether nine tenths of the slots are taken, or of those that they are
// shared from.
func (s *Slots) Scarce() bool {
	return s != nil && (10*len(s.taken) >= 9*cap(s.taken) || s.within.Scarce())
}
