package l7

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"
)

// sendErrorTime bounds the write of an error response.
const sendErrorTime = 5 * time.Second

// fail ends an exchange with an error, which is an *httpError or errGone. It reports
// whether the client's connection can be used for another request.
func (ex *exchange) fail(err error) bool {
	var own *httpError
	isOwn := errors.As(err, &own)
	if !isOwn && !ex.rec.headRead() {
		return false // no request has come
	}
	ex.recordFailure(err)
	if b := ex.rec.from; b != nil && ex.rec.backendFailed(own) {
		b.CountFailure()
	}
	switch {
	case ex.responding || !isOwn:
		return ex.breakOff(err)
	case own.refuses():
		return ex.refuse(own)
	}
	return ex.respond(own)
}

// refuse responds to a request that is not forwarded, and ends the connection.
func (ex *exchange) refuse(e *httpError) bool {
	c := ex.conn
	if !ex.rec.headRead() { // what has come of the head counts
		ex.rec.head = int64(c.rd.Buffered())
	}
	c.srv.Logger.Debug("request refused", "client", c.peer, "status", e.status, "reason", e.cause.Error())
	ex.close = true
	ex.sendError(e.status, e.text)
	ex.linger()
	return false
}

// respond responds to a request that could not be forwarded.
func (ex *exchange) respond(e *httpError) bool {
	c := ex.conn
	c.srv.Logger.Debug("request failed", "client", c.peer, "status", e.status, "err", e.cause)
	ex.close = ex.close || !ex.body.Ended() || c.stopped != running || c.srv.retiring()
	ex.sendError(e.status, e.text)
	if !ex.body.Ended() {
		ex.linger()
	}
	return !ex.close
}

// sendError sends the client a response of our own. If the text is empty, it is what
// the status means.
func (ex *exchange) sendError(status int, text string) {
	if text == "" {
		text = fasthttp.StatusMessage(status)
	}
	quoted, err := json.Marshal(map[string]string{"error": text})
	if err != nil {
		panic(err) // no string fails
	}
	ex.sendOwn(status, func(dst []byte) []byte {
		return fmt.Appendf(dst, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(quoted))
	}, string(quoted))
}

// sendOwn sends the client a response of our own with these fields, and with a body unless
// the request is for the head alone.
func (ex *exchange) sendOwn(status int, fields func([]byte) []byte, body string) {
	ex.rec.own = status
	c := ex.conn
	// The connection may have been stopped: its deadline has passed then.
	_ = c.nc.SetWriteDeadline(time.Now().Add(sendErrorTime))
	c.out.Start()
	c.out.Buf = ex.appendOwn(c.out.Buf, status, fields)
	if !ex.req.IsHead {
		c.out.Buf = append(c.out.Buf, body...)
	}
	if c.out.Flush() != nil {
		ex.close = true
	}
	c.out.Release()
	_ = c.nc.SetWriteDeadline(time.Time{})
}

// appendOwn appends the head of a response of our own.
func (ex *exchange) appendOwn(dst []byte, status int, fields func([]byte) []byte) []byte {
	// Not a fasthttp.ResponseHeader: its Date starts a goroutine that never ends.
	dst = fmt.Appendf(dst, "HTTP/1.1 %d %s\r\n", status, fasthttp.StatusMessage(status))
	dst = ex.conn.loop.date.append(dst)
	dst = fields(dst)
	switch {
	case ex.close:
		dst = append(dst, "Connection: close\r\n"...)
	case ex.req.HTTP10:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return append(dst, "\r\n"...)
}
