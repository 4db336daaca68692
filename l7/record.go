package l7

import (
	"cmp"
	"errors"
	"net/netip"
	"time"

	"fourseven/health"
	"fourseven/l4"
	"fourseven/l7/http1"
)

// Record describes one request that was responded to or forwarded.
type Record struct {
	Client  netip.AddrPort // zero for Unix sockets
	TLS     *l4.TLSInfo    // nil without
	Backend string         // the last one with a connection; empty if there was none
	// Method and Target are those of the request line, cut off after MaxRecorded bytes
	// each. They are empty if it could not be read, and valid during the call of Served.
	Method, Target []byte
	// Status is that of the response, or StatusNone.
	Status int
	// Reason is why the client did not get all of a backend's response. It is empty
	// if it did, and if the request was refused.
	Reason l4.Ending
	// Refusal is what is wrong with a request that was refused; else it is empty.
	Refusal string
	Retries int // further backends tried
	// Received and Sent are bytes from and to the client: heads and bodies, and those
	// of an upgraded connection. The framing of chunks is not counted in Received.
	Received, Sent int64
	Began          time.Time // when the request's first byte was there
	// Dial is how long the dial of the backend took, zero if a connection was reused.
	Dial, Whole time.Duration
}

const (
	// StatusNone is the status of a request whose client left before it got a response.
	StatusNone = 499
	// MaxRecorded is how many bytes of a method or target are recorded.
	MaxRecorded = 1 << 10
)

// Closing describes a client's connection that has ended.
type Closing struct {
	Reason l4.Ending
	Whole  time.Duration
}

// recording is what an exchange notes for its Record.
type recording struct {
	Record
	from       *health.Backend // the last one with a connection, as Record.Backend
	line       []byte          // Method and Target, copied: the buffer they came in is reused
	own        int             // the status of a response of ours, or 0
	head       int64           // bytes of the request's head, as far as it came
	sentBefore int64           // the connection's bytes, when the request began
	reported   bool
}

// beginRecord begins the record of a request. The line is empty, and used for its
// memory.
func beginRecord(c *conn, line []byte) recording {
	return recording{
		Record: Record{Client: c.visitor.Client, TLS: c.secured, Began: time.Now()},
		line:   line, sentBefore: c.sent.Load(),
	}
}

// recordLine keeps the request line of a head that has been read.
func (ex *exchange) recordLine(head []byte) {
	r := &ex.rec
	method := ex.req.Method[:min(len(ex.req.Method), MaxRecorded)]
	target := ex.req.Target[:min(len(ex.req.Target), MaxRecorded)]
	r.line = append(append(r.line, method...), target...)
	r.Method, r.Target = r.line[:len(method)], r.line[len(method):]
	r.head = int64(len(head))
}

// headRead reports whether a whole head was read.
func (r *recording) headRead() bool { return r.head > 0 }

// report calls Served, once, unless no request came that could be responded to.
func (ex *exchange) report() {
	c, r := ex.conn, &ex.rec
	srv := cmp.Or(ex.refusedBy, c.srv)
	if srv.Served == nil || r.reported || r.head == 0 && r.own == 0 {
		return
	}
	r.reported = true
	switch {
	case r.own != 0:
		r.Status = r.own
	case ex.responding:
		r.Status = ex.resp.Status
	default:
		r.Status = StatusNone
	}
	r.Received += r.head + ex.bodySize
	r.Sent += c.sent.Load() - r.sentBefore
	r.Whole = time.Since(r.Began)
	srv.Served(&r.Record)
}

// recordFailure notes why an exchange was not whole, unless that is known.
func (ex *exchange) recordFailure(err error) {
	c, r := ex.conn, &ex.rec
	var own *httpError
	var malformed *http1.ResponseError
	switch {
	case r.Reason != "":
	case errors.As(err, &own) && own.refuses():
		r.Refusal = own.cause.Error()
	case c.stopped != running:
		r.Reason = c.stopReason()
	case errors.As(err, &malformed):
		r.Reason = l4.BadResponse
		c.srv.logBadResponse(r.Backend, malformed)
	case c.out.Err != nil || ex.upload.err != nil && ex.upload.err != errCut && ex.toBackend.Err == nil:
		r.Reason = l4.ClientReset
	default:
		r.Reason = l4.BackendReset
	}
}

// backendFailed reports whether it is the backend's fault that the client did not get its
// response. own is the proxy's response in its place, if there is one.
func (r *recording) backendFailed(own *httpError) bool {
	switch r.Reason {
	case l4.BackendReset, l4.BadResponse, l4.BackendDown:
		return true
	case l4.Idle:
		return own != nil && own.status == 504
	}
	return false
}

// stopReason returns why the connection was stopped.
func (c *conn) stopReason() l4.Ending {
	switch c.stopped {
	case timedOut, slowBody, gaveWay:
		return l4.Idle
	case clientLeft:
		return l4.ClientReset
	case backendDown:
		return l4.BackendDown
	case closing:
		return l4.Drain
	case byOperator:
		return l4.OperatorClose
	}
	return l4.EOF
}

// recordEnd reports why the client's connection ended.
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
