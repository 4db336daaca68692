package l7

// pace is how much of a body has moved while it was waited for. Without it a peer that
// sends or takes a byte now and then would hold a connection for ever.
type pace struct {
	word   uint32 // the state's: each phase is measured anew
	waited uint32 // pulses
	from   int64  // bytes that had moved at the beginning
}

// What an exchange in the phase relaying waits for, besides the client to read.
const (
	forStream uint32 = iota // a body without a length, such as SSE: it may be slow
	forBody                 // a body with a length
	forUpload               // the rest of the request, after the response
)

// tooSlow is called once a pulse. It reports whether less than MinRate has moved on
// average in the time that may pass without a byte, in pulses, as far as a peer was
// waited for.
func (c *conn) tooSlow(word, window uint32) bool {
	p := phaseOf(word)
	if c.srv.MinRate <= 0 || window == 0 || p != waiting && p != relaying {
		return false
	}
	if c.pace.word != word {
		c.pace = pace{word: word, from: c.moved()}
		return false
	}
	if _, blocked := c.unsent(); !blocked && !c.waitsForPeer(p) {
		return false
	}
	if c.pace.waited++; c.pace.waited < window {
		return false
	}
	moved := c.moved()
	least := float64(c.srv.MinRate) * float64(window) * pulse.Seconds()
	slow := float64(moved-c.pace.from) < least
	c.pace = pace{word: word, from: moved}
	return slow
}

// waitsForPeer reports whether the client or the backend must go on with a body that has
// to come to its end.
func (c *conn) waitsForPeer(p phase) bool {
	switch uploads := c.uploading.Load() != noUpload; p {
	case waiting:
		return uploads
	case relaying:
		awaited := c.awaited.Load()
		return awaited == forBody || awaited == forUpload && uploads
	}
	return false
}

// moved returns how many bytes the client has sent and taken. What waits in the socket
// for it to read does not count.
func (c *conn) moved() int64 {
	partly, _ := c.unsent()
	return c.received.Load() + c.sent.Load() + partly - int64(c.sock.unacknowledged())
}

// unsent reports whether a write to the client waits for room in the socket, and how much
// of it has been written.
func (c *conn) unsent() (written int64, blocked bool) {
	if w, ok := c.io.(interface{ unsent() (int64, bool) }); ok {
		return w.unsent()
	}
	return 0, false
}

// noteTaken takes it for progress if the client has read something while a write waits:
// there may be room for more only after megabytes.
func (c *conn) noteTaken() {
	written, blocked := c.unsent()
	if !blocked {
		return
	}
	if taken := written - int64(c.sock.unacknowledged()); taken != c.taken {
		c.taken = taken
		c.progress()
	}
}
