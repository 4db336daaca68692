package l7

import (
	"sync"
	"sync/atomic"
)

// opening is what the next response begins with, whatever it will be.
const opening = "HTTP/1.1 "

// early tells a client that has left from one that has only ended its half of the
// connection. They look alike: both send a FIN. So the first bytes of what the client
// will be sent anyway are sent early. A client that has gone replies with RST; one that
// only half-closed reads them early, and the rest later.
type early struct {
	mu     sync.Mutex
	next   boundary      // where the stream to the client is
	opened bool          // the opening was sent early: the response is sent without it
	ended  bool          // the client's FIN was seen
	proven bool          // bytes were sent after that: a client that left resets the connection
	count  *atomic.Int64 // of the bytes sent to the client
}

// boundary is the part of the stream that will be sent next.
type boundary uint8

const (
	nowhere   boundary = iota // the rest of something: nothing can be sent early
	atOpening                 // a response
	atChunk                   // the size of a chunk, or of the last one
)

// at notes what will be sent next. All before it has been sent.
func (e *early) at(next boundary) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next = next
}

// cut is called before p is sent, and returns p without what was sent early. A zero
// before a chunk's size is not part of p.
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

// probe is called when the client's FIN is seen. It sends what can be sent early,
// without waiting, and reports whether any bytes were sent to the client since its FIN
// was first seen.
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
