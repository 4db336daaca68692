package l7

import (
	"errors"
	"fmt"

	"fourseven/l4"
	"fourseven/l7/http1"
)

// errGone ends an exchange in which nothing more can be said to the client.
var errGone = errors.New("nobody to answer")

// failed is an exchange that ends with an answer of ours. text is what the client
// is told; err is for the log.
type failed struct {
	status int
	text   string
	err    error
}

func (e *failed) Error() string { return fmt.Sprintf("answered %d: %v", e.status, e.err) }

// failure says what an error before the final response means for the client. Nil
// stays nil.
func (c *conn) failure(err error) error {
	if err == nil {
		return nil
	}
	switch c.state.stopped() {
	case clientLeft, closing:
		return errGone
	case badBody:
		return &http1.Error{Status: 400, Reason: "malformed body"}
	case largeBody:
		return &http1.Error{Status: 413, Reason: "body over the limit"}
	case slowBody:
		return &http1.Error{Status: 408, Reason: "slow body"}
	case backendDown:
		return &failed{502, "", errDown}
	case timedOut:
		return &failed{504, "", err}
	}
	return &failed{502, "", err}
}

// fail answers an exchange that failed. It reports whether the client's connection
// is good for another request.
func (c *conn) fail(err error) bool {
	var f *failed
	switch {
	case c.answered || errors.Is(err, errGone):
		return c.breakOff(err)
	case !errors.As(err, &f):
		return c.refuse(err)
	}
	c.srv.Logger.Debug("request failed", "client", c.peer, "status", f.status, "err", f.err)
	c.close = c.close || !c.body.Ended() || c.state.stopped() != running || c.srv.draining.Load()
	c.answer(f.status, f.text)
	if !c.body.Ended() {
		c.linger()
	}
	return !c.close
}

// breakOff ends the client's connection so that it does not take what it has for
// complete. Where the framing shows that, the end of the stream is enough, and
// all bytes that came get through; else it takes a reset.
func (c *conn) breakOff(err error) bool {
	if c.state.stopped() == running {
		c.reason = c.rec.Reason
	}
	c.srv.Logger.Debug("exchange broken off", "client", c.peer, "err", err)
	if !c.answered || c.resp.Status == 101 || c.resp.BodyLength(false) < 0 && c.req.HTTP10 || c.state.stopped() == closing {
		l4.Reset(c.nc)
	}
	return false
}

// afterPanic releases what the request held, and answers 500 if that can be done.
func (c *conn) afterPanic() {
	c.stopUpload()
	c.letGo()
	if !c.answered {
		c.close = true
		c.answer(500, "")
	}
	c.endRecord()
}
