package l7

import (
	"context"
	"errors"
	"os"
	"time"

	"fourseven/health"
	"fourseven/l4"
	"fourseven/l7/http1"
)

const (
	// maxResponseHead bounds a response's head. It is more than any client's limit.
	maxResponseHead = 256 << 10
	// maxInterim bounds how many 1xx responses come before the final one.
	maxInterim = 64
	// continueAfter is how long a client that asked for 100-continue waits for the
	// backend to send it. Then we do: a backend that ignores the expectation waits
	// for the body that the client holds back (RFC 9110 section 10.1.1).
	continueAfter = time.Second
)

// exchange forwards one request and its response. It reports whether the client's
// connection is good for another.
func (c *conn) exchange() bool {
	c.srv.active.Add(1)
	defer c.srv.active.Add(-1)
	c.answered, c.close, c.up.err = false, !c.req.KeepAlive(), nil
	c.toBackend.Start()
	err := c.forward()
	c.stopUpload()
	c.letGo()
	c.toBackend.Release()
	if err != nil {
		c.recordFailure(err)
		return c.fail(err)
	}
	if c.close && (c.up.err != nil || c.rd.Buffered() > 0) {
		c.linger()
	}
	return !c.close
}

// letGo gives back what the exchange still holds: after success nothing.
func (c *conn) letGo() {
	if bc := c.backend.Swap(nil); bc != nil {
		bc.abort()
	}
	if c.holds != nil {
		c.holds.Release()
		c.holds = nil
	}
}

func (c *conn) forward() error {
	c.body.Start(&c.rd, c.req.Length)
	if limit := c.srv.MaxBody; limit > 0 && c.req.Length > limit {
		return &http1.Error{Status: 413, Reason: "Content-Length over the limit"}
	}
	if err := c.appendRequest(); err != nil {
		return err
	}
	if !c.enter(waiting) {
		return errGone
	}
	c.early.at(atOpening)
	turn := c.srv.Pool.TurnFor(c.peer)
	if err := c.connect(&turn); err != nil {
		return err
	}
	if err := c.ask(&turn); err != nil {
		return err
	}
	if c.resp.Status == 101 {
		return c.switchProtocols()
	}
	return c.relay()
}

// connect finds a backend and a connection to it. A failed dial goes on to another
// backend: nothing has been sent, so that is right for any method.
func (c *conn) connect(turn *health.Turn) error {
	for tries := 0; tries <= c.srv.Retries && c.state.stopped() == running; tries++ {
		again := turn.Tried()
		b := turn.Next()
		if b == nil {
			break
		}
		c.holds = b
		if again {
			c.rec.Retries++
			c.srv.retries.Add(1)
		}
		bc, err := c.connectTo(b)
		if err == nil {
			err = c.take(bc)
		}
		if err == nil {
			c.rec.Backend = b.Addr
			return nil
		}
		c.srv.Logger.Debug("connect", "backend", b.Addr, "err", err)
		b.Release()
		c.holds = nil
	}
	return c.noBackend(turn.Last())
}

// connectTo takes a kept connection to the backend, or dials.
func (c *conn) connectTo(b *health.Backend) (*backendConn, error) {
	up := c.srv.upstreams.of(b)
	if bc := up.reuse(c.body.Ended()); bc != nil {
		return bc, nil
	}
	began := time.Now()
	bc, err := c.dial(up)
	c.rec.Dial = time.Since(began)
	return bc, err
}

func (c *conn) dial(up *upstream) (*backendConn, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.cancelDial.Store(&cancel)
	defer c.cancelDial.Store(nil)
	if c.state.stopped() != running {
		return nil, errGone // before there was something to cancel
	}
	return up.dial(ctx)
}

// noBackend is the error when no backend, or last, could be reached.
func (c *conn) noBackend(last *health.Backend) error {
	if c.state.stopped() != running {
		return c.failure(errGone)
	}
	if last == nil {
		c.rec.Reason = l4.NoBackend
		return &failed{503, "No healthy backends", nil}
	}
	c.rec.Reason = l4.ConnectFailed
	return &failed{503, "Backend server http://" + last.Addr + " is not healthy", nil}
}

// ask sends the request and reads the final response's head. A connection that was
// used before and turns out dead is replaced, if nothing was sent over it; if the
// request was, that happens once, and only if it may be acted upon twice (RFC 9112
// section 9.3.1).
func (c *conn) ask(turn *health.Turn) error {
	for repeated := false; ; {
		bc := c.backend.Load()
		begun, err := c.attempt(bc)
		sent := c.up.done != nil || c.toBackend.Sent // an upload owns toBackend
		if sent {
			c.holds.Count()
		}
		if err == nil {
			return nil
		}
		if !bc.reused || begun || c.up.done != nil || sent && (repeated || !c.req.Repeatable) ||
			c.state.stopped() != running {
			if !begun && c.state.stopped() == running {
				bc.up.backend.Suspect() // it broke before it said anything
			}
			return c.failure(err)
		}
		repeated = repeated || sent
		if err := c.replace(bc, turn); err != nil {
			return err
		}
	}
}

// replace dials the backend of a dead connection anew, or else goes on to another.
func (c *conn) replace(bc *backendConn, turn *health.Turn) error {
	c.backend.Store(nil)
	bc.close()
	c.toBackend.Sent = false
	fresh, err := c.dial(bc.up)
	if err == nil && c.take(fresh) == nil {
		return nil
	}
	c.holds.Release()
	c.holds = nil
	return c.connect(turn)
}

// attempt sends the request over a connection and reads the final response's head.
// begun says whether the backend had sent anything.
func (c *conn) attempt(bc *backendConn) (begun bool, err error) {
	if !c.enter(waiting) {
		return false, errGone
	}
	if err := c.send(bc); err != nil {
		return false, err
	}
	for range maxInterim {
		head, begun, err := c.readHead(bc)
		if err != nil {
			return begun, err
		}
		if err := c.resp.Parse(head); err != nil {
			return true, err
		}
		if c.resp.Status >= 200 {
			return true, nil
		}
		if c.resp.Status == 101 {
			return true, c.checkUpgrade()
		}
		if err := c.relayInterim(); err != nil {
			return true, err
		}
	}
	return true, http1.ErrResponse
}

// send sends the request, or begins to.
func (c *conn) send(bc *backendConn) error {
	c.toBackend.Conn, c.toBackend.Count = bc.io, &bc.up.backend.Traffic().Received
	switch {
	case !c.body.Ended():
		c.startUpload()
	case bc.canAsk():
		return bc.ask.send(bc, &c.toBackend)
	default:
		_ = c.toBackend.Send(c.toBackend.Buf) // see ask.step
	}
	return nil
}

// readHead reads a response's head. While the client waits for 100-continue it
// does not let it wait for too long.
func (c *conn) readHead(bc *backendConn) ([]byte, bool, error) {
	if !c.req.Expects || c.up.done == nil {
		return bc.rd.ResponseHead(maxResponseHead)
	}
	_ = bc.nc.SetReadDeadline(time.Now().Add(continueAfter))
	if c.state.stopped() != running {
		return nil, false, errGone // the deadline may have replaced the stop's
	}
	head, begun, err := bc.rd.ResponseHead(maxResponseHead)
	if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || c.state.stopped() != running) {
		return nil, begun, err
	}
	_ = bc.nc.SetReadDeadline(time.Time{})
	if c.state.stopped() != running {
		return nil, begun, errGone
	}
	if err == nil {
		return head, true, nil
	}
	c.req.Expects = false
	if err := c.sendContinue(); err != nil {
		return nil, begun, err
	}
	return bc.rd.ResponseHead(maxResponseHead)
}

func (c *conn) sendContinue() error {
	c.out.Start()
	c.out.Buf = append(c.out.Buf, "HTTP/1.1 100 Continue\r\n\r\n"...)
	return c.flushInterim()
}

// relayInterim passes a 1xx response on: 100 if the client waits for it, others to
// HTTP/1.1 clients (RFC 9110 section 15.2).
func (c *conn) relayInterim() error {
	if c.req.HTTP10 || c.resp.Status == 100 && !c.req.Expects {
		return nil
	}
	if c.resp.Status == 100 {
		c.req.Expects = false
	}
	c.out.Start()
	c.out.Buf = c.appendResponse(c.out.Buf, 0)
	return c.flushInterim()
}

// flushInterim sends a 1xx response: another response follows.
func (c *conn) flushInterim() error {
	err := c.out.Flush()
	c.early.at(atOpening)
	return err
}
