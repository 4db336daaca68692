package l7

import (
	"io"

	"fourseven/l7/http1"
)

// relay passes the final response to the client, as its bytes come.
func (c *conn) relay() error {
	bc := c.backend.Load()
	length := c.resp.BodyLength(c.req.IsHead)
	c.close = c.close || c.mustClose(length)
	c.out.Start()
	defer c.out.Release()
	c.out.Buf = c.appendResponse(c.out.Buf, length)
	if !c.enter(relaying) {
		return c.failure(errGone)
	}
	c.respBody.Start(&bc.rd, length)
	bc.rd.Before = c.flushOut
	err := c.relayBody(length)
	bc.rd.Before = nil
	if err == nil {
		err = c.finish(bc)
	}
	c.answered = c.out.Sent
	return c.failure(err)
}

// mustClose reports whether the client's connection cannot be used again after
// this response: the server is going, the end of the connection ends the body, or
// the backend answered without waiting for a body that is still to come.
func (c *conn) mustClose(length int64) bool {
	if c.srv.draining.Load() || length < 0 && c.req.HTTP10 {
		return true
	}
	return !c.bodySent() && (!c.resp.KeepAlive() || c.req.Expects)
}

// appendResponse writes a response's head for the client.
func (c *conn) appendResponse(b []byte, length int64) []byte {
	r := &c.resp
	b = append(append(b, "HTTP/1.1"...), r.Line...)
	b = append(b, "\r\n"...)
	for i := range r.Fields {
		if f := &r.Fields[i]; c.passes(f, length) {
			b = append(append(b, f.Line...), "\r\n"...)
		}
	}
	if r.Status >= 200 {
		b = c.appendResponseHop(b, length)
	}
	return append(b, "\r\n"...)
}

// passes reports whether a field of the response is passed on as it is.
func (c *conn) passes(f *http1.Field, length int64) bool {
	switch f.Kind {
	case http1.ContentLength:
		return c.resp.Status >= 200 && c.resp.Status != 204 // RFC 9110 section 8.6
	case http1.TransferEncoding, http1.Connection, http1.HopByHop, http1.TE:
		return false
	case http1.Upgrade:
		return c.resp.Status == 101 || c.resp.Status == 426 // RFC 9110 section 15.5.22
	case http1.Trailer:
		return length == http1.Chunked && !c.req.HTTP10
	}
	return !c.resp.Options.Names(f.Name)
}

// appendResponseHop adds what is of the client's hop.
func (c *conn) appendResponseHop(b []byte, length int64) []byte {
	if length < 0 && !c.req.HTTP10 {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case c.close:
		b = append(b, "Connection: close\r\n"...)
	case c.req.HTTP10:
		b = append(b, "Connection: keep-alive\r\n"...)
	case c.resp.Status == 426 && c.resp.Upgrade:
		b = append(b, "Connection: Upgrade\r\n"...)
	}
	return b
}

// relayBody passes the body on. A body without a length goes in chunks of our
// own, or to an HTTP/1.0 client until the end of the connection.
func (c *conn) relayBody(length int64) error {
	write := c.out.Write
	if length < 0 && !c.req.HTTP10 {
		write = c.out.Chunk
	}
	for {
		piece, err := c.respBody.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = write(piece)
		}
		if err != nil {
			return err
		}
	}
	if length < 0 && !c.req.HTTP10 {
		c.out.Buf = http1.AppendLastChunk(c.out.Buf, c.respBody.Trailers)
	}
	return nil
}

// flushResponse sends what there is of a response that goes on. A chunked body
// stands before another chunk then, since chunks are gathered whole.
func (c *conn) flushResponse() error {
	err := c.out.Flush()
	if c.respBody.Length < 0 && !c.req.HTTP10 {
		c.early.at(atChunk)
	}
	return err
}

// finish ends an exchange whose response is read: it sends what is left of it, and
// gives the backend's connection back, before that if it can, so that a client
// that asks again at once finds the connection there.
func (c *conn) finish(bc *backendConn) error {
	if c.up.done == nil {
		if err := c.giveBack(bc); err != nil {
			return err
		}
		return c.out.Flush()
	}
	if err := c.out.Flush(); err != nil {
		return err
	}
	// Who still waits for 100-continue need not send its body after this.
	c.awaitUpload(c.resp.KeepAlive() && !c.req.Expects)
	return c.giveBack(bc)
}

// giveBack returns a connection to its pool, or closes it if it is of no use.
func (c *conn) giveBack(bc *backendConn) error {
	reusable := c.resp.KeepAlive() && c.respBody.Length != http1.UntilClose && bc.rd.Buffered() == 0 && c.bodySent()
	// In this order: who stops us from now on finds no backend to interrupt.
	c.backend.Store(nil)
	if !c.enter(relaying) {
		bc.abort()
		return errGone
	}
	if reusable {
		bc.up.put(bc, c.srv.now.Load())
	} else {
		bc.close()
	}
	c.holds.Release()
	c.holds = nil
	return nil
}
