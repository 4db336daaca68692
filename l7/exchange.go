package l7

import (
	"errors"
	"sync"

	"fourseven/l7/http1"
)

// exchange is one request, the response to it and all state in between. It is made
// anew for each request, and belongs to the fiber that serves its connection; while an
// upload runs, a second fiber owns conn.rd, body and toBackend. Other fibers see and
// stop an exchange by its connection alone.
type exchange struct {
	conn *conn

	req      http1.Request
	body     http1.Body // the request's
	bodySize int64      // of it, so far
	// toBackend holds the request's head, and its body if that is short, until the
	// backend responds: it may have to be sent again.
	toBackend http1.Writer
	upload    upload

	backend  acquired
	resp     http1.Response
	respBody http1.Body
	// flushResp is ex.flushResponse, kept so that a request allocates nothing for it.
	flushResp func() error

	refusedBy  *Server // whose limit keeps the request from being served; nil if none does
	counted    bool    // among those that are active
	responding bool    // a byte of the final response may have been sent to the client
	close      bool    // no further request is read from the connection
	rec        recording
}

// exchanges keeps the memory of those that have ended.
var exchanges = sync.Pool{New: func() any {
	ex := new(exchange)
	ex.flushResp = ex.flushResponse
	return ex
}}

// newExchange begins the exchange of a request whose first byte has come.
func newExchange(c *conn) *exchange {
	ex := exchanges.Get().(*exchange)
	ex.req.Reset()
	ex.resp.Reset()
	*ex = exchange{
		conn:      c,
		req:       ex.req,
		resp:      ex.resp,
		body:      http1.Body{Trailers: ex.body.Trailers[:0]},
		respBody:  http1.Body{Trailers: ex.respBody.Trailers[:0], Lenient: true},
		toBackend: http1.Writer{Moved: c.out.Moved, Stock: &c.loop.stock},
		flushResp: ex.flushResp,
		backend:   acquired{client: c},
		rec:       beginRecord(c, ex.rec.line[:0]),
	}
	return ex
}

// end ends an exchange that has released what it held. It must not be used any more.
func (ex *exchange) end() {
	ex.report()
	ex.uncount()
	exchanges.Put(ex)
}

func (ex *exchange) count() {
	ex.conn.srv.active.Add(1)
	ex.counted = true
}

func (ex *exchange) uncount() {
	if ex.counted {
		ex.counted = false
		ex.conn.srv.active.Add(-1)
	}
}

// serve reads the request and responds to it. It reports whether the client's
// connection can be used for another.
func (ex *exchange) serve() bool {
	if err := ex.readRequest(); err != nil {
		return ex.fail(err)
	}
	if to := ex.conn.elsewhere; to != nil {
		return to.answer(ex)
	}
	ex.close = !ex.req.KeepAlive()
	ex.body.Start(&ex.conn.rd, ex.req.Length)
	if err := ex.route(); err != nil {
		return ex.fail(err)
	}
	ex.count()
	ex.toBackend.Start()
	err := ex.forward()
	if ex.conn.resting {
		return false // it is upgraded: endUpgrade ends the exchange
	}
	ex.release()
	ex.toBackend.Release()
	if err != nil {
		return ex.fail(err)
	}
	if ex.close && (ex.upload.err != nil || ex.conn.rd.Buffered() > 0) {
		ex.linger()
	}
	return !ex.close
}

// readRequest reads the request's head. The error is an *httpError or errGone.
func (ex *exchange) readRequest() error {
	c := ex.conn
	head, err := c.rd.RequestHead(c.srv.MaxHeader)
	if err != nil {
		return ex.headError(err)
	}
	err = ex.req.Parse(head)
	ex.recordLine(head)
	if err != nil {
		return ex.headError(err)
	}
	c.rd.Skip(len(head))
	return nil
}

// headError returns what an error of the request's head means for the client.
func (ex *exchange) headError(err error) error {
	var refused *http1.Error
	switch {
	case errors.As(err, &refused):
		return &httpError{status: refused.Status, cause: errors.New(refused.Reason)}
	case ex.conn.stopped == timedOut:
		return &httpError{status: 408, cause: errSlowHead}
	}
	return errGone
}

// forward passes the request to a backend and the response to the client. The error
// is an *httpError or errGone.
func (ex *exchange) forward() error {
	c := ex.conn
	if limit := c.srv.MaxBody; limit > 0 && ex.req.Length > limit {
		return &httpError{status: 413, cause: errLargeLength}
	}
	source := ex.source()
	if err := ex.appendRequest(); err != nil {
		return err
	}
	if !c.enter(waiting) {
		return errGone
	}
	c.early.at(atOpening)
	turn := c.srv.Pool.TurnFor(source)
	if err := ex.connect(&turn); err != nil {
		return err
	}
	if err := ex.ask(&turn); err != nil {
		return err
	}
	if ex.resp.Status == 101 {
		return ex.switchProtocols()
	}
	return ex.relay()
}

// release ends the upload and releases the backend. After success there is neither.
func (ex *exchange) release() {
	ex.stopUpload()
	ex.backend.release()
}

// linger lets the client finish. The request is over: only the connection lingers.
func (ex *exchange) linger() {
	ex.report()
	ex.conn.linger()
}

// breakOff ends the client's connection so that it does not take what it has
// received for complete. Where the framing shows that, the end of the stream is
// enough, and all bytes that came get through; else it takes a reset.
func (ex *exchange) breakOff(err error) bool {
	c := ex.conn
	if c.stopped == running {
		c.reason = ex.rec.Reason
	}
	c.srv.Logger.Debug("exchange broken off", "client", c.peer, "err", err)
	if !ex.responding || ex.resp.Status == 101 || ex.resp.BodyLength(false) < 0 && ex.req.HTTP10 || c.stopped == closing || c.stopped == byOperator {
		_ = c.nc.Reset()
	}
	return false
}

// recoverFrom ends an exchange that panicked, with a 500 if that can be sent.
func (ex *exchange) recoverFrom() {
	ex.release()
	if !ex.responding {
		ex.close = true
		ex.sendError(500, "")
	}
	ex.report()
	ex.uncount()
}
