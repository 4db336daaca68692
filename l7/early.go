package l7

import (
	"io"
	"sync/atomic"

	"fourseven/internal/loop"
)

// opening is what the next response begins with, whatever it will be.
const opening = "HTTP/1.1 "

// early writes to a client, and distinguishes a client that has gone from one that has
// only ended its half of the connection. They look alike: both send a FIN. So the first
// bytes of what the client will be sent anyway are sent early. A client that has gone
// replies with RST; one that only half-closed reads them early, and the rest later.
//
// Of a body that is not chunked the next byte is not known while the backend pauses.
// There the last byte before the pause is kept back for this, for two looks of the watch
// at most (0.15 s), so that a FIN that follows a request is distinguished from a client's
// disconnect. A client that ends its half later than that, in such a pause, is taken for
// one that has gone.
type early struct {
	conn  io.Writer     // to the client
	count *atomic.Int64 // of the bytes sent to it

	next   boundary // where the stream to the client is
	sent   int      // bytes behind the boundary that were sent early
	kept   [1]byte  // the byte that is kept back, at atKept
	ended  bool     // the client's FIN was seen
	writes bool     // a write waits, if others than its fiber see this
	proven bool     // bytes were sent after that: a client that left resets the connection
}

// boundary is the part of the stream that will be sent next.
type boundary uint8

const (
	nowhere   boundary = iota // the rest of something: nothing can be sent early
	atOpening                 // a response
	atChunk                   // the size of a chunk, or of the last one
	atKept                    // the byte that is kept back
)

// peer is the client's socket, for what does not wait.
type peer interface {
	// send sends as much of p as there is room for, and returns how much that was.
	send(p []byte) int
	// unacknowledged returns how many of the bytes sent the client's system has not
	// acknowledged.
	unacknowledged() int
}

// at notes what will be sent next. All before it has been sent.
func (e *early) at(next boundary) {
	e.next, e.sent = next, 0
}

// keep notes that b, which will be sent next, is kept back. It may be called again before
// that.
func (e *early) keep(b byte) {
	if e.next != atKept {
		e.next, e.sent, e.kept[0] = atKept, 0, b
	}
}

// Write writes p, but for what was sent of it early, to the client.
func (e *early) Write(p []byte) (int, error) {
	next, sent := e.begin()
	n, err := e.conn.Write(p[sent:])
	return e.finish(next, sent, n, err)
}

// writeBulk is Write of p and the bulk behind it, but for the last bytes of that.
func (e *early) writeBulk(p []byte, b loop.Bulk, keep int) (int, error) {
	next, sent := e.begin()
	n, err := b.Send(p[sent:], keep)
	return e.finish(next, sent, n, err)
}

// finish ends a write that sent n bytes more. It returns what Write does.
func (e *early) finish(next boundary, sent, n int, err error) (int, error) {
	e.writes = false
	e.count.Add(int64(n))
	if n == 0 && err != nil { // the stream is where it was
		e.next, e.sent = next, sent
		return 0, err
	}
	return sent + n, err
}

// begin begins a write: nothing can be sent early during it. It returns where the stream
// was, and how many bytes behind that were sent early.
func (e *early) begin() (next boundary, sent int) {
	next, sent = e.next, e.sent
	e.next, e.sent, e.proven, e.writes = nowhere, 0, e.ended, true
	return next, sent
}

// release sends the byte that is kept back of a response that breaks off, if there is
// room for it.
func (e *early) release(client peer) {
	if e.next == atKept && e.sent == 0 {
		e.sent = e.send(client, e.kept[:])
	}
}

func (e *early) send(client peer, p []byte) int {
	n := client.send(p)
	e.count.Add(int64(n))
	return n
}

// probe sends what can be sent early, without waiting, if the client's FIN was seen
// (ended), and the byte that is kept back in any case. It reports whether any bytes
// were under way to the client after its FIN was first seen.
func (e *early) probe(client peer, ended bool) bool {
	e.ended = e.ended || ended
	n := 0
	switch {
	case e.next == atKept && e.sent == 0:
		n = e.send(client, e.kept[:])
		e.sent = n
	case !ended || e.proven:
	case e.next == atOpening:
		n = e.send(client, []byte(opening[e.sent:]))
		e.sent += n
	case e.next == atChunk:
		// Zeros may stand before a chunk's size (RFC 9112 section 7.1). This one is not
		// part of what Write gets.
		n = e.send(client, []byte("0"))
	}
	if ended && !e.proven {
		e.proven = n > 0 || client.unacknowledged() > 0
	}
	return e.proven
}
