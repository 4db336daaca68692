package l7

import (
	"errors"
	"io"

	"fourseven/l7/http1"
)

// relay passes the final response to the client, as its bytes arrive.
func (ex *exchange) relay() error {
	bc := ex.backend.conn
	length := ex.resp.BodyLength(ex.req.IsHead)
	ex.close = ex.close || ex.mustClose(length)
	ex.conn.out.Start()
	defer ex.conn.out.Release()
	ex.conn.out.Buf = ex.appendResponse(ex.conn.out.Buf, length)
	ex.conn.awaited = forStream
	if length >= 0 {
		ex.conn.awaited = forBody
	}
	if !ex.conn.enter(relaying) {
		return ex.errorFor(errGone)
	}
	ex.respBody.KeepBack = !ex.chunks(length)
	ex.respBody.Start(&bc.rd, length)
	bc.rd.Before = ex.flushResp
	err := ex.relayBody(length)
	bc.rd.Before = nil
	switch {
	case err == nil:
		err = ex.finish(bc)
	case errors.Is(err, http1.ErrChunk):
		err = &http1.ResponseError{Rule: err.Error()}
	}
	if err != nil {
		ex.conn.early.release(ex.conn)
	}
	ex.responding = ex.conn.out.Sent
	return ex.errorFor(err)
}

// mustClose reports whether the client's connection cannot be used again after this
// response: the server is draining or short of slots, the body ends with the connection,
// or the backend does not read the rest of the request's body.
func (ex *exchange) mustClose(length int64) bool {
	if ex.conn.srv.retiring() || length < 0 && ex.req.HTTP10 {
		return true
	}
	return !ex.bodySent() && (!ex.resp.KeepAlive() || ex.req.Expects)
}

// appendResponse writes a response's head for the client.
func (ex *exchange) appendResponse(b []byte, length int64) []byte {
	r := &ex.resp
	b = append(append(b, "HTTP/1.1"...), r.Line...)
	b = append(b, "\r\n"...)
	for i := range r.Fields {
		if f := &r.Fields[i]; ex.passes(f, length) {
			b = append(append(b, f.Line...), "\r\n"...)
		}
	}
	if r.Status >= 200 {
		b = ex.appendResponseHop(b, length)
	}
	return append(b, "\r\n"...)
}

// passes reports whether a field of the response is passed on as it is.
func (ex *exchange) passes(f *http1.Field, length int64) bool {
	switch f.Kind {
	case http1.ContentLength:
		return ex.resp.Status >= 200 && ex.resp.Status != 204 // RFC 9110 section 8.6
	case http1.TransferEncoding, http1.Connection, http1.HopByHop, http1.TE, http1.Dropped:
		return false
	case http1.Upgrade:
		return ex.resp.Status == 101 || ex.resp.Status == 426 // RFC 9110 section 15.5.22
	case http1.Trailer:
		return length == http1.Chunked && !ex.req.HTTP10
	}
	return !ex.resp.Options.Names(f.Name)
}

// appendResponseHop adds the hop-by-hop fields for the client, and Date.
func (ex *exchange) appendResponseHop(b []byte, length int64) []byte {
	if ex.chunks(length) {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case ex.close:
		b = append(b, "Connection: close\r\n"...)
	case ex.req.HTTP10:
		b = append(b, "Connection: keep-alive\r\n"...)
	case ex.resp.Status == 426 && ex.resp.Upgrade:
		b = append(b, "Connection: Upgrade\r\n"...)
	}
	if !ex.resp.HasDate {
		b = ex.conn.loop.date.append(b)
	}
	return b
}

// relayBody passes the body on. A body without a length is sent in chunks of our own,
// or to an HTTP/1.0 client until the end of the connection.
func (ex *exchange) relayBody(length int64) error {
	write := ex.conn.out.Write
	if ex.chunks(length) {
		write = ex.conn.out.Chunk
	}
	for large := ex.newBulk(length); ; {
		passed, err := ex.passBulk(&large)
		if err != nil {
			return err
		}
		if passed {
			continue
		}
		piece, err := ex.respBody.Next()
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
	if ex.chunks(length) {
		ex.conn.out.Buf = http1.AppendLastChunk(ex.conn.out.Buf, ex.respBody.Trailers)
	}
	return nil
}

// chunks reports whether the client gets the body in chunks.
func (ex *exchange) chunks(length int64) bool { return length < 0 && !ex.req.HTTP10 }

// flushResponse sends what has been gathered of a response that goes on. What follows
// in a chunked body is another chunk, since chunks are gathered whole. Of another one the
// last byte is kept back: see early.
func (ex *exchange) flushResponse() error {
	out, early := &ex.conn.out, &ex.conn.early
	if !ex.respBody.KeepBack {
		err := out.Flush()
		if ex.chunks(ex.respBody.Length) {
			early.at(atChunk)
		}
		return err
	}
	if kept := ex.respBody.Kept(); len(kept) > 0 {
		err := out.Flush()
		early.keep(kept[0])
		return err
	}
	if len(out.Buf) == 0 {
		return nil
	}
	last, err := out.FlushBut()
	early.keep(last)
	return err
}

// finish ends an exchange whose response has been read: it sends the rest of it and
// releases the backend. If it can, it releases first, so that the client's next request
// finds the connection in the pool.
func (ex *exchange) finish(bc *backendConn) error {
	if ex.upload.done == nil {
		if err := ex.giveBack(); err != nil {
			return err
		}
		return ex.conn.out.Flush()
	}
	if err := ex.conn.out.Flush(); err != nil {
		return err
	}
	ex.conn.awaited = forUpload
	// A client that still waits for 100-continue does not have to send its body now.
	ex.awaitUpload(ex.resp.KeepAlive() && !ex.req.Expects)
	return ex.giveBack()
}

// giveBack releases the backend, whose response is complete.
func (ex *exchange) giveBack() error {
	bc := ex.backend.conn
	keeps := ex.resp.KeepAlive() && !ex.respBody.Irregular && ex.respBody.Length != http1.UntilClose &&
		bc.rd.Buffered() == 0 && ex.bodySent()
	// In this order: a stop from now on finds no backend to interrupt.
	ex.backend.hide()
	if !ex.conn.enter(relaying) {
		return errGone
	}
	ex.backend.use = complete
	if keeps {
		ex.backend.use = reusable
	}
	ex.backend.release()
	return nil
}
