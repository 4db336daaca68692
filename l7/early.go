package l7

import (
	"sync"
	"sync/atomic"
)

// opening is what the next response begins with, whatever it will be.
const opening = "HTTP/1.1 "

// early tells a client that has left from one that has only ended its half, which
// look alike: both send a FIN. The first bytes of what the client will get anyway
// go ahead of the rest. Who has left answers them with a reset; who listens has
// them already when the rest comes, and sees nothing unusual.
type early struct {
	mu sync.Mutex
	// next says what the client's stream stands before.
	next boundary
	// opened: the opening has been sent, and the response goes without it.
	opened bool
	// ended: the client's FIN was seen; proven: bytes were sent after that, so that
	// a client that left resets the connection.
	ended, proven bool
	count         *atomic.Int64 // of the bytes sent to the client
}

type boundary uint8

const (
	nowhere   boundary = iota // nothing may be sent ahead
	atOpening                 // a response
	atChunk                   // the size of a chunk, or of the last one
)

// at notes what the stream stands before, once all of before has been sent.
func (e *early) at(next boundary) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next = next
}

// cut returns what of p is still to be sent: a response is begun with it, or goes
// on. A chunk is complete without what went ahead of it.
func (e *early) cut(p []byte) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next = nowhere
	e.proven = e.ended
	if e.opened {
		e.opened = false
		return p[len(opening):]
	}
	return p
}

// probe is called when the client's FIN is seen. It sends what may be sent ahead,
// without waiting, and reports whether the client has been sent anything since its
// FIN was first seen.
func (e *early) probe(s *socket) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
	switch {
	case e.proven:
	case e.next == atOpening && !e.opened:
		e.opened = s.send([]byte(opening))
		e.proven = e.opened
	case e.next == atChunk:
		// Zeros may stand before a chunk's size (RFC 9112 section 7.1).
		if e.proven = s.send([]byte("0")); e.proven {
			e.count.Add(1)
		}
	}
	return e.proven
}
