package l7

import (
	"context"
	"time"

	"fourseven/health"
	"fourseven/l4"
)

// connect acquires a backend and a connection to it. After a failed dial it goes on
// to another backend: nothing has been sent, so that is right for any method. Over all
// calls of an exchange no more than Retries further backends are tried.
func (ex *exchange) connect(turn *health.Turn) error {
	c := ex.conn
	for c.stopped == running {
		again := turn.Tried()
		if again && ex.rec.Retries >= c.srv.Retries {
			break
		}
		b := turn.Next()
		if b == nil {
			break
		}
		ex.backend.backend = b
		if again {
			ex.rec.Retries++
			c.srv.retries.Add(1)
		}
		bc, err := ex.connectTo(b)
		if err == nil {
			err = ex.backend.attach(bc)
		}
		if err == nil {
			ex.rec.Backend, ex.rec.from = b.Addr, b
			return nil
		}
		c.srv.Logger.Debug("connect", "backend", b.Addr, "err", err)
		ex.backend.release()
	}
	return ex.noBackend(turn.Last())
}

// connectTo takes a kept connection to the backend, or dials.
func (ex *exchange) connectTo(b *health.Backend) (*backendConn, error) {
	up := ex.conn.srv.upstreams.of(b)
	if bc := up.reuse(ex.conn.loop); bc != nil {
		return bc, nil
	}
	began := time.Now()
	bc, err := ex.dial(up)
	ex.rec.Dial = time.Since(began)
	return bc, err
}

// dial opens a connection. A stop of the client's connection ends the dial.
func (ex *exchange) dial(up *upstream) (*backendConn, error) {
	c := ex.conn
	ctx, done := c.untilStop()
	defer done()
	if c.stopped != running {
		return nil, errGone // the stop found nothing to cancel
	}
	return up.dial(ctx, c.loop)
}

// untilStop returns a context that a stop of the connection cancels. A stop before the
// call does not: the caller must look for one. done releases the context.
func (c *conn) untilStop() (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancelDial = cancel
	return ctx, func() {
		c.cancelDial = nil
		cancel()
	}
}

// redial replaces a connection that turned out dead by a new one to the same backend,
// or else to another.
func (ex *exchange) redial(turn *health.Turn) error {
	up := ex.backend.conn.up
	ex.backend.drop()
	ex.toBackend.Sent = false
	fresh, err := ex.dial(up)
	if err == nil && ex.backend.attach(fresh) == nil {
		return nil
	}
	ex.backend.release()
	return ex.connect(turn)
}

// moveOn releases a backend that broke the connection before it sent anything, and
// connects to another one. If none is left, the error is what the break means.
func (ex *exchange) moveOn(turn *health.Turn, broken error) error {
	gaveUp := ex.backend.backend
	ex.backend.release()
	ex.toBackend.Sent = false
	err := ex.connect(turn)
	if err != nil && turn.Last() == gaveUp {
		ex.rec.Reason = ""
		return ex.errorFor(broken) // which counts as its failure
	}
	gaveUp.CountFailure()
	return err
}

// noBackend returns the error when no backend could be reached, of which last was
// tried last.
func (ex *exchange) noBackend(last *health.Backend) error {
	if ex.conn.stopped != running {
		return ex.errorFor(errGone)
	}
	if last == nil {
		ex.rec.Reason = l4.NoBackend
		return &httpError{503, "No healthy backends", nil}
	}
	ex.rec.Reason = l4.ConnectFailed
	scheme := "http://"
	if ex.conn.srv.Dialer.TLS.To(last) {
		scheme = "https://"
	}
	return &httpError{503, "Backend server " + scheme + last.Addr + " is not healthy", nil}
}
