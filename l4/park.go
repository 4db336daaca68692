package l4

import (
	"sync/atomic"
	"time"
)

// parking is what a direction needs for waiting without a goroutine.
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
	p := h.relay.relays.parker.Load()
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
	h.relay.relays.parker.Load().forget(h)
	return true
}
