package l7

import (
	"errors"
	"os"
	"time"

	"fourseven/health"
	"fourseven/l7/http1"
)

const (
	// maxResponseHead limits a response's head. It is more than any client's limit.
	maxResponseHead = 256 << 10
	// maxInterim limits the 1xx responses before the final one.
	maxInterim = 64
	// continueAfter is how long a client that expects 100-continue waits for the
	// backend's. Then the proxy sends it: a backend that ignores the expectation waits
	// for the body that the client holds back (RFC 9110 section 10.1.1).
	continueAfter = time.Second
)

// ask sends the request and reads the final response's head. If no byte of a response
// comes before the connection breaks, a reused connection is replaced: if nothing was sent
// over it, or, once, if the request may be sent twice (RFC 9112 section 9.3.1). After that,
// or over a new connection, such a request is tried on one other backend.
func (ex *exchange) ask(turn *health.Turn) error {
	for repeated, moved := false, false; ; {
		bc, began := ex.backend.conn, time.Since(ex.rec.Began)
		begun, err := ex.attempt(bc)
		uploads := ex.upload.done != nil
		sent := uploads || ex.toBackend.Sent // an upload owns toBackend
		if sent {
			ex.backend.backend.Count()
		}
		switch {
		case err == nil:
			ex.backend.backend.Responded(ex.resp.Status, time.Since(ex.rec.Began)-began)
			return nil
		case begun || ex.conn.stopped != running:
			return ex.errorFor(err)
		case bc.reused && !uploads && (!sent || ex.req.Repeatable && !repeated):
			repeated = repeated || sent
			err = ex.redial(turn)
		default:
			bc.up.backend.Suspect() // it broke before it sent anything
			if uploads || moved || !ex.req.Repeatable {
				return ex.errorFor(err)
			}
			repeated, moved = false, true
			err = ex.moveOn(turn, err)
		}
		if err != nil {
			return err
		}
	}
}

// attempt sends the request over a connection and reads the final response's head.
// begun reports whether the backend had sent anything.
func (ex *exchange) attempt(bc *backendConn) (begun bool, err error) {
	if !ex.conn.enter(waiting) {
		return false, errGone
	}
	ex.send(bc)
	for interim := range maxInterim {
		head, begun, err := ex.readHead(bc)
		if err != nil {
			return begun || interim > 0, err
		}
		if err := ex.resp.Parse(head); err != nil {
			return true, err
		}
		if ex.resp.Status >= 200 {
			return true, nil
		}
		if ex.resp.Status == 101 {
			return true, ex.checkUpgrade()
		}
		if err := ex.relayInterim(); err != nil {
			return true, err
		}
	}
	return true, &http1.ResponseError{Rule: "too many interim responses"}
}

// send sends the request, or starts its upload.
func (ex *exchange) send(bc *backendConn) {
	ex.toBackend.Conn, ex.toBackend.Count = bc.nc, &bc.up.backend.Traffic().Received
	if !ex.body.Ended() {
		ex.startUpload()
		return
	}
	// A backend may have responded before it closed: its response is read even if the
	// request does not get through.
	_ = ex.toBackend.Send(ex.toBackend.Buf)
	if ex.conn.rd.Buffered() == 0 {
		ex.conn.rd.Release() // others can use the buffer while the backend works
	}
}

// readHead reads a response's head. A client that expects 100-continue gets it from us
// if the backend does not send it in time.
func (ex *exchange) readHead(bc *backendConn) ([]byte, bool, error) {
	if !ex.req.Expects || ex.upload.done == nil {
		return bc.rd.ResponseHead(maxResponseHead)
	}
	_ = bc.nc.SetReadDeadline(time.Now().Add(continueAfter))
	if ex.conn.stopped != running {
		return nil, false, errGone // our deadline may have replaced that of interrupt
	}
	head, begun, err := bc.rd.ResponseHead(maxResponseHead)
	if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || ex.conn.stopped != running) {
		return nil, begun, err
	}
	_ = bc.nc.SetReadDeadline(time.Time{})
	if ex.conn.stopped != running {
		return nil, begun, errGone
	}
	if err == nil {
		return head, true, nil
	}
	ex.req.Expects = false
	if err := ex.sendContinue(); err != nil {
		return nil, begun, err
	}
	return bc.rd.ResponseHead(maxResponseHead)
}

func (ex *exchange) sendContinue() error {
	ex.conn.out.Start()
	ex.conn.out.Buf = append(ex.conn.out.Buf, "HTTP/1.1 100 Continue\r\n\r\n"...)
	return ex.flushInterim()
}

// relayInterim passes a 1xx response on: 100 if the client waits for it, others to
// HTTP/1.1 clients (RFC 9110 section 15.2).
func (ex *exchange) relayInterim() error {
	if ex.req.HTTP10 || ex.resp.Status == 100 && !ex.req.Expects {
		return nil
	}
	if ex.resp.Status == 100 {
		ex.req.Expects = false // there is one: it is progress, since the client's body comes next
	} else {
		// Others are none: the final response must come in the time that it has.
		defer func(moved func()) { ex.conn.out.Moved = moved }(ex.conn.out.Moved)
		ex.conn.out.Moved = nil
	}
	ex.conn.out.Start()
	ex.conn.out.Buf = ex.appendResponse(ex.conn.out.Buf, 0)
	return ex.flushInterim()
}

// flushInterim sends a 1xx response: another response follows, unless a part of this one
// was sent.
func (ex *exchange) flushInterim() error {
	if err := ex.conn.out.Flush(); err != nil {
		ex.responding = ex.conn.out.Sent
		return err
	}
	ex.conn.early.at(atOpening)
	return nil
}
