package l7

import (
	"errors"
	"net/netip"
	"time"

	"fourseven/l4"
	"fourseven/l7/http1"
)

// Record says what became of one request that was answered or forwarded.
type Record struct {
	Client  netip.AddrPort // zero for Unix sockets
	Backend string         // the last one that there was a connection to; or empty
	// Method and Target are the request line's, cut off after MaxRecorded bytes
	// each, and empty if it could not be read. They are valid during the call.
	Method, Target []byte
	// Status is that of the answer, or StatusNone.
	Status int
	// Reason is why the client did not get all of a backend's response. It is empty
	// if it did, and if the request was refused.
	Reason l4.Ending
	// Refusal is what is wrong with a request that was refused; else it is empty.
	Refusal string
	Retries int // further backends tried after a failed dial
	// Received and Sent are bytes from and to the client: heads and bodies, those of
	// an upgraded connection too. Received is without the framing of chunks.
	Received, Sent int64
	Began          time.Time // when the request's first byte was there
	// Dial is how long the connection to the backend took, zero if one was kept.
	Dial, Whole time.Duration
}

const (
	// StatusNone stands for a request whose client got no answer, as it left before.
	StatusNone = 499
	// MaxRecorded is how much of a method or target is recorded.
	MaxRecorded = 1 << 10
)

// Closing says why a client's connection ended, and how long it was open.
type Closing struct {
	Reason l4.Ending
	Whole  time.Duration
}

// recording is what a connection notes of its present request for the Record.
type recording struct {
	Record
	line     []byte // Method and Target, copied: the buffer they came in is reused
	own      int    // the status of an answer of ours, or 0
	received int64  // of the head
	sent     int64  // the connection's, when the request began
	told     bool   // it was handed over
}

// beginRecord begins the record of a request.
func (c *conn) beginRecord() {
	r := &c.rec
	*r = recording{line: r.line[:0], sent: c.sent.Load()}
	r.Client, r.Began = c.client, time.Now()
	c.bodySize = 0
}

// recordLine keeps the request line of a head that has been read.
func (c *conn) recordLine(head []byte) {
	r := &c.rec
	method := c.req.Method[:min(len(c.req.Method), MaxRecorded)]
	target := c.req.Target[:min(len(c.req.Target), MaxRecorded)]
	r.line = append(append(r.line, method...), target...)
	r.Method, r.Target = r.line[:len(method)], r.line[len(method):]
	r.received = int64(len(head))
}

// endRecord hands the record of a request over, once, unless there was none to
// answer.
func (c *conn) endRecord() {
	r := &c.rec
	if c.srv.Served == nil || r.told || r.Began.IsZero() || r.received == 0 && r.own == 0 {
		return
	}
	r.told = true
	switch {
	case r.own != 0:
		r.Status = r.own
	case c.answered:
		r.Status = c.resp.Status
	default:
		r.Status = StatusNone
	}
	r.Received += r.received + c.bodySize
	r.Sent += c.sent.Load() - r.sent
	r.Whole = time.Since(r.Began)
	c.srv.Served(&r.Record)
}

// recordFailure notes why an exchange was not whole, unless that is known.
func (c *conn) recordFailure(err error) {
	var r *http1.Error
	switch {
	case c.rec.Reason != "":
	case errors.As(err, &r):
		c.rec.Refusal = r.Reason
	case c.state.stopped() != running:
		c.rec.Reason = c.stopReason()
	case c.out.Err != nil || c.up.err != nil && c.up.err != errCut && c.toBackend.Err == nil:
		c.rec.Reason = l4.ClientReset
	default:
		c.rec.Reason = l4.BackendReset
	}
}

// stopReason says why the connection was stopped.
func (c *conn) stopReason() l4.Ending {
	switch c.state.stopped() {
	case timedOut, slowBody:
		return l4.Idle
	case clientLeft:
		return l4.ClientReset
	case backendDown:
		return l4.BackendDown
	case closing:
		return l4.Drain
	}
	return l4.EOF
}

// recordEnd says why the client's connection ended, once.
func (c *conn) recordEnd() {
	if c.srv.Ended == nil {
		return
	}
	reason := c.reason
	if reason == "" {
		reason = c.stopReason()
	}
	c.srv.Ended(Closing{Reason: reason, Whole: time.Since(c.began)})
}
