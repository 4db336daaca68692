package l7

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"fourseven/l4"
	"fourseven/l7/http1"
)

// errLarge ends a chunked body that grew over the limit.
var errLarge = errors.New("body over the limit")

// errCut is what ended an upload that the exchange has no further use for.
var errCut = errors.New("upload cut")

// upload is the forwarding of a request's body that was not all there with its
// head. It runs beside the reading of the response, so that an early answer gets
// through and the backend may answer while it reads.
type upload struct {
	active  atomic.Bool   // begun and not ended
	blocked atomic.Bool   // it is the backend that it waits for
	cut     atomic.Bool   // the exchange has no further use for it
	done    chan struct{} // closed at its end; nil if there was none
	err     error         // valid after done
}

// startUpload sends the request's head and goes on with its body in a goroutine
// of its own, which owns rd, body and toBackend until done is closed.
func (c *conn) startUpload() {
	c.up.done = make(chan struct{})
	c.up.active.Store(true)
	c.up.cut.Store(false)
	go c.runUpload()
}

func (c *conn) runUpload() {
	defer close(c.up.done)
	defer c.up.active.Store(false)
	c.up.err = c.upload()
	if c.up.err == nil || c.toBackend.Err != nil || c.up.cut.Load() {
		// A backend that no longer reads may have answered already. The reader of
		// its answer finds out.
		return
	}
	if c.state.stop(uploadCause(c.up.err)) {
		c.interrupt()
	}
}

// countBody counts a piece of the body, and fails when that is over the limit.
func (c *conn) countBody(piece []byte) error {
	c.bodySize += int64(len(piece))
	if limit := c.srv.MaxBody; limit > 0 && c.bodySize > limit {
		return errLarge
	}
	return nil
}

// bodyFailure is the answer to a body that fails before anything was sent.
func (c *conn) bodyFailure(err error) error {
	if errors.Is(err, errLarge) {
		return &http1.Error{Status: 413, Reason: "body over the limit"}
	}
	return &http1.Error{Status: 400, Reason: err.Error()}
}

// uploadCause says what an error of the client's body means.
func uploadCause(err error) cause {
	switch {
	case errors.Is(err, http1.ErrChunk):
		return badBody
	case errors.Is(err, errLarge):
		return largeBody
	}
	return clientLeft
}

func (c *conn) flushUpload() error {
	c.up.blocked.Store(true)
	defer c.up.blocked.Store(false)
	return c.toBackend.Flush()
}

// upload forwards the body. A panic in it ends this exchange alone.
func (c *conn) upload() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("upload panicked: %v", v)
		}
	}()
	c.rd.Before = c.flushUpload
	defer func() { c.rd.Before = nil }()
	w, write := &c.toBackend, c.toBackend.Write
	if c.req.Length == http1.Chunked {
		write = c.toBackend.Chunk
	}
	for {
		piece, err := c.body.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = c.countBody(piece)
		}
		if err != nil {
			return err
		}
		c.up.blocked.Store(true)
		err = write(piece)
		c.up.blocked.Store(false)
		if err != nil {
			return err
		}
	}
	w.Buf = c.appendBodyEnd(w.Buf)
	return c.flushUpload()
}

// bodySent reports whether all of the request has been sent to the backend.
func (c *conn) bodySent() bool {
	if c.up.done == nil {
		return c.up.err == nil
	}
	select {
	case <-c.up.done:
		return c.up.err == nil
	default:
		return false
	}
}

// awaitUpload waits for the end of an upload whose answer has been passed on; if
// the backend does not go on reading, it ends it.
func (c *conn) awaitUpload(goesOn bool) {
	if c.up.done == nil {
		return
	}
	if goesOn {
		<-c.up.done
	}
	c.stopUpload()
}

// stopUpload ends the upload, if there is one, and takes back what it owned. If it
// was not complete, the client's connection is of no further use.
func (c *conn) stopUpload() {
	if c.up.done == nil {
		return
	}
	select {
	case <-c.up.done:
	default:
		c.cutUpload()
	}
	if c.up.err != nil {
		c.close = true
	}
	c.up.done = nil
}

// cutUpload ends the upload. Even if it is complete at the last moment, neither
// connection can be used again: the deadlines stay.
func (c *conn) cutUpload() {
	c.up.cut.Store(true)
	_ = c.nc.SetReadDeadline(l4.LongAgo)
	if bc := c.backend.Load(); bc != nil {
		_ = bc.nc.SetWriteDeadline(l4.LongAgo)
	}
	<-c.up.done
	c.up.err = errCut
}
