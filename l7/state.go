package l7

import "sync/atomic"

// phase is what a client connection is doing.
type phase uint32

const (
	fresh    phase = iota // waits for the first byte ever
	idle                  // waits for the first byte of another request
	reading               // a request's head is arriving
	waiting               // for a backend, or for its response
	relaying              // the response is being sent to the client
	upgraded              // the connection is no longer HTTP
)

// cause is why a connection was stopped from outside its own goroutine.
type cause uint32

const (
	running  cause = iota
	timedOut       // no byte moved for too long
	slowBody       // no byte of the request's body arrived for too long
	clientLeft
	badBody     // the request's body is malformed
	largeBody   // the request's body is over the limit
	backendDown // the backend of the request went down
	closing     // shutdown ran out of time, or the connection was idle
	gaveWay     // the connection was idle, and another client waited for a slot
)

// state is a connection's phase and, once it has been stopped, the cause. Only the
// connection's own goroutine changes the phase; any goroutine may stop it, once.
// Phase and cause are one word, so that a stop meant for one phase never hits the
// next: after a stop the goroutine cannot enter another phase, and a late stop finds
// the word changed.
type state struct {
	word atomic.Uint32 // a count of changes, the cause, the phase
	// since is the pulse of the last change or progress.
	since atomic.Uint32
}

const (
	phaseBits = 4
	causeBits = 4
	countUnit = 1 << (phaseBits + causeBits)
)

func phaseOf(word uint32) phase { return phase(word & (1<<phaseBits - 1)) }
func causeOf(word uint32) cause { return cause(word >> phaseBits & (1<<causeBits - 1)) }

// enter begins a phase at that pulse. It reports false if the connection was
// stopped.
func (s *state) enter(p phase, now uint32) bool {
	s.since.Store(now)
	old := s.word.Load()
	if causeOf(old) != running {
		return false
	}
	return s.word.CompareAndSwap(old, old&^(countUnit-1)+countUnit|uint32(p))
}

// stopIf stops the connection if its word is still old.
func (s *state) stopIf(old uint32, why cause) bool {
	return causeOf(old) == running && s.word.CompareAndSwap(old, old|uint32(why)<<phaseBits)
}

// stop stops the connection in whatever phase it is. It reports false if it was
// stopped before.
func (s *state) stop(why cause) bool {
	for {
		old := s.word.Load()
		if causeOf(old) != running {
			return false
		}
		if s.stopIf(old, why) {
			return true
		}
	}
}

// stopped returns why the connection was stopped, or running.
func (s *state) stopped() cause { return causeOf(s.word.Load()) }
