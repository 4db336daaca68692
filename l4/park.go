package l4

import (
	"cmp"
	"runtime/debug"
	"sync/atomic"
	"time"
)

const (
	// parkAfter is how long a relay is idle before it gives up its goroutines.
	// Parking costs about as much as a message, so short connections are spared it.
	parkAfter = time.Second
	// Once releaseParks directions have been parked, the stacks of their goroutines
	// are worth returning to the system, every releasePause at most.
	releaseParks = 1024
	releasePause = 30 * time.Second
)

// parkingLot lets idle relays wait without goroutines. While it is not open each
// relay keeps its goroutines. All but parker belongs to the goroutine of Sweep.
type parkingLot struct {
	after    time.Duration // parkAfter except in tests
	parker   atomic.Pointer[parker]
	parks    int // since stacks were last released
	released time.Time
}

// open starts the parker and returns what stops it.
func (l *parkingLot) open() (stop func()) {
	l.after = cmp.Or(l.after, parkAfter)
	p, err := newParker()
	if err != nil {
		return func() {}
	}
	l.parker.Store(p)
	donec := make(chan struct{})
	go func() { p.run(); close(donec) }()
	return func() {
		p.close()
		<-donec
	}
}

// ask asks a relay that is idle to give up its goroutines.
func (l *parkingLot) ask(r *relay, now time.Time) {
	if r.activity.idle(now) > l.after && !r.activity.half {
		l.parks += r.up.askToPark() + r.down.askToPark()
	}
}

// releaseStacks returns the stacks of goroutines that have ended to the system, if
// there are enough. Those asked to park at the last tick have ended by now.
func (l *parkingLot) releaseStacks(now time.Time) {
	if l.parks < releaseParks || now.Sub(l.released) < releasePause {
		return
	}
	l.parks, l.released = 0, now
	debug.FreeOSMemory()
}

// parking is what a direction needs to wait without a goroutine.
type parking struct {
	parked   atomic.Bool // the parker waits for it
	fd       int32       // of the source, once parked; under the parker's mu
	enrolled bool        // the source is in its epoll set; likewise
}

// askToPark makes the goroutine of a direction that waits go to the parker. It
// returns how many goroutines it has asked.
func (h *half) askToPark() int {
	if h.parked.Load() {
		return 0
	}
	_ = h.src.SetReadDeadline(LongAgo)
	return 1
}

// park reports whether the direction waits in the parker now, or has been woken
// there already: either way it is no longer the caller's.
func (h *half) park() bool {
	_ = h.src.SetReadDeadline(time.Time{})
	p := h.relay.lot.parker.Load()
	if p == nil {
		return false
	}
	var err error
	if closed := h.src.raw.Control(func(fd uintptr) { err = p.add(h, int(fd)) }); closed != nil {
		return false
	}
	if err != nil || h.relay.over() { // a cut before parked was set has woken nobody
		return !h.unpark()
	}
	return true
}

// wake gives a parked direction a goroutine.
func (h *half) wake() {
	if h.unpark() {
		go h.run()
	}
}

// unpark reports whether the direction was parked, and is the caller's now.
func (h *half) unpark() bool {
	if !h.parked.CompareAndSwap(true, false) {
		return false
	}
	h.relay.lot.parker.Load().forget(h)
	return true
}
