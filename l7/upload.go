package l7

import (
	"errors"
	"fmt"
	"io"

	"fourseven/l4"
	"fourseven/l7/http1"
)

// errCut is the error of an upload that was ended because it is no longer needed.
var errCut = errors.New("upload cut")

// upload is the forwarding of a request's body that had not all arrived with its head.
// It runs beside the reading of the response, so that a backend may respond before it
// has read the body, or while it reads.
type upload struct {
	cut  bool          // it is no longer needed
	done chan struct{} // closed at its end; nil if there is none
	err  error         // valid after done
}

// startUpload sends the request's head and goes on with its body in a fiber of its
// own, which owns rd, body and toBackend until done is closed.
func (ex *exchange) startUpload() {
	ex.upload.done = make(chan struct{})
	ex.conn.uploading = readingBody
	if !ex.conn.nc.Go(ex.runUpload) { // the loops are being closed
		ex.upload.err = errCut
		close(ex.upload.done)
	}
}

func (ex *exchange) runUpload() {
	defer close(ex.upload.done)
	defer func() { ex.conn.uploading = noUpload }()
	ex.upload.err = ex.sendBody()
	if ex.upload.err == nil || ex.toBackend.Err != nil || ex.upload.cut {
		// A backend that no longer reads may have responded already. The reader of
		// the response finds out.
		return
	}
	if ex.conn.stop(uploadCause(ex.upload.err)) {
		ex.conn.interrupt()
	}
}

// countBody counts a piece of the body. It fails if the body is over the limit.
func (ex *exchange) countBody(piece []byte) error {
	ex.bodySize += int64(len(piece))
	if limit := ex.conn.srv.MaxBody; limit > 0 && ex.bodySize > limit {
		return errLarge
	}
	return nil
}

// bodyFailure returns the error for a body that fails before anything was sent.
func (ex *exchange) bodyFailure(err error) error {
	if errors.Is(err, errLarge) {
		return &httpError{status: 413, cause: errLarge}
	}
	return &httpError{status: 400, cause: err}
}

// uploadCause returns the cause of the stop after an error of the client's body.
func uploadCause(err error) cause {
	switch {
	case errors.Is(err, http1.ErrChunk):
		return badBody
	case errors.Is(err, errLarge):
		return largeBody
	}
	return clientLeft
}

func (ex *exchange) flushUpload() error {
	ex.conn.uploading = sendingBody
	defer func() { ex.conn.uploading = readingBody }()
	return ex.toBackend.Flush()
}

// sendBody forwards the body. A panic in it ends this exchange alone.
func (ex *exchange) sendBody() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("upload panicked: %v", v)
		}
	}()
	ex.conn.rd.Before = ex.flushUpload
	defer func() { ex.conn.rd.Before = nil }()
	w, write := &ex.toBackend, ex.toBackend.Write
	if ex.req.Length == http1.Chunked {
		write = ex.toBackend.Chunk
	}
	for {
		piece, err := ex.body.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = ex.countBody(piece)
		}
		if err != nil {
			return err
		}
		ex.conn.uploading = sendingBody
		err = write(piece)
		ex.conn.uploading = readingBody
		if err != nil {
			return err
		}
	}
	w.Buf = ex.appendBodyEnd(w.Buf)
	return ex.flushUpload()
}

// bodySent reports whether all of the request has been sent to the backend.
func (ex *exchange) bodySent() bool {
	if ex.upload.done == nil {
		return ex.upload.err == nil
	}
	select {
	case <-ex.upload.done:
		return ex.upload.err == nil
	default:
		return false
	}
}

// awaitUpload is called after the response was passed on. It waits for the end of the
// upload if the backend goes on reading, else it ends the upload.
func (ex *exchange) awaitUpload(goesOn bool) {
	if ex.upload.done == nil {
		return
	}
	if goesOn {
		ex.upload.await(ex.conn.loop)
	}
	ex.stopUpload()
}

// stopUpload ends the upload, if there is one, and takes back what it owned. After an
// upload that was not complete the client's connection cannot be used again.
func (ex *exchange) stopUpload() {
	if ex.upload.done == nil {
		return
	}
	select {
	case <-ex.upload.done:
	default:
		ex.cutUpload()
	}
	if ex.upload.err != nil {
		ex.close = true
	}
	ex.upload.done = nil
}

// cutUpload ends the upload. Even if it is complete at the last moment, neither
// connection can be used again: the deadlines stay.
func (ex *exchange) cutUpload() {
	ex.upload.cut = true
	_ = ex.conn.nc.SetReadDeadline(l4.LongAgo)
	if bc := ex.backend.conn; bc != nil {
		_ = bc.nc.SetWriteDeadline(l4.LongAgo)
	}
	ex.upload.await(ex.conn.loop)
	ex.upload.err = errCut
}

// await waits for the end.
func (u *upload) await(l *ofLoop) {
	select {
	case <-u.done:
	default:
		l.Await(func() { <-u.done })
	}
}
