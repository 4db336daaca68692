package l7

import "fourseven/l4"

// pace is how much of a body has moved while it was waited for. Without it a peer that
// sends or takes a byte now and then would hold a connection for ever.
type pace struct {
	phase  uint32 // which one it is: each is measured anew
	waited uint32 // pulses
	from   int64  // bytes that had moved at the beginning
}

// What an exchange in the phase relaying waits for, besides the client to read.
const (
	forStream uint8 = iota // a body without a length, such as SSE: it may be slow
	forBody                // a body with a length
	forUpload              // the rest of the request, after the response
)

// tooSlow is called once a pulse. It reports whether less than MinRate has moved on
// average in the time that may pass without a byte, in pulses, as far as a peer was
// waited for.
func (c *conn) tooSlow(window uint32) bool {
	if c.srv.MinRate <= 0 || window == 0 || c.phase != waiting && c.phase != relaying {
		return false
	}
	if c.pace.phase != c.entered {
		c.pace = pace{phase: c.entered, from: c.moved()}
		return false
	}
	if !c.early.writes && !c.waitsForPeer() {
		return false
	}
	if c.pace.waited++; c.pace.waited < window {
		return false
	}
	moved := c.moved()
	least := float64(c.srv.MinRate) * float64(window) * pulse.Seconds()
	slow := float64(moved-c.pace.from) < least
	c.pace = pace{phase: c.entered, from: moved}
	return slow
}

// waitsForPeer reports whether the client or the backend must go on with a body that has
// to come to its end.
func (c *conn) waitsForPeer() bool {
	switch uploads := c.uploading != noUpload; c.phase {
	case waiting:
		return uploads
	case relaying:
		return c.awaited == forBody || c.awaited == forUpload && uploads
	}
	return false
}

// moved returns how many bytes the client has sent and taken.
func (c *conn) moved() int64 { return c.received.Load() + c.takenSoFar() }

// takenSoFar returns how many bytes the client has taken. What waits in the socket for it
// to read does not count.
func (c *conn) takenSoFar() int64 { return l4.Taken(c.nc) }

// noteTaken takes it for progress if the client has read something while a write waits:
// there may be room for more only after megabytes.
func (c *conn) noteTaken() {
	if !c.early.writes {
		return
	}
	if taken := c.takenSoFar(); taken != c.taken {
		c.taken = taken
		c.progress()
	}
}
