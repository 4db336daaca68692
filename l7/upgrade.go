package l7

import (
	"fourseven/l4"
	"fourseven/l7/http1"
)

// checkUpgrade returns an error if the backend must not switch protocols: it was not
// asked to, or does not name the protocol (RFC 9110 section 15.2.2).
func (ex *exchange) checkUpgrade() error {
	switch {
	case !ex.upgrading():
		return &http1.ResponseError{Rule: "101 without a request to switch protocols"}
	case !ex.resp.Upgrade || !ex.resp.Options.Upgrade:
		return &http1.ResponseError{Rule: "101 that names no protocol", Field: "Upgrade"}
	case ex.req.Expects && !ex.bodySent():
		// The client would wait for 100 for ever (RFC 9110 section 7.8).
		return &http1.ResponseError{Rule: "101 before the 100 that was expected"}
	}
	return nil
}

// switchProtocols passes the 101 on, and the bytes that either side has already sent in
// the new protocol, and relays both connections. They are closed when it returns. The new
// protocol begins behind the request's body, whose rest is forwarded first.
func (ex *exchange) switchProtocols() error {
	c, bc := ex.conn, ex.backend.conn
	ex.close = true
	ex.awaitUpload(true)
	if err := ex.upload.err; err != nil {
		return ex.errorFor(err)
	}
	c.out.Start()
	defer c.out.Release()
	c.out.Buf = ex.appendSwitch(c.out.Buf)
	c.out.Buf = append(c.out.Buf, bc.rd.Unread()...)
	if err := c.out.Flush(); err != nil {
		return errGone
	}
	ex.responding = true
	ex.rec.Received = int64(c.rd.Buffered())
	if err := ex.toBackend.Send(c.rd.Unread()); err != nil {
		return errGone
	}
	bc.rd.Release()
	c.rd.Release()
	c.out.Release()
	ex.toBackend.Release()
	if !c.enter(upgraded) {
		return errGone
	}
	ex.relayUpgraded()
	ex.backend.use = complete
	ex.backend.release()
	return nil
}

// relayUpgraded relays the connections as L4 does, and records how they ended.
func (ex *exchange) relayUpgraded() {
	c := ex.conn
	received, sent, why := c.srv.Relays.Run(c.nc, ex.backend.conn.nc, ex.backend.backend)
	ex.rec.Received += received
	ex.rec.Sent = sent
	if c.reason = why; why != l4.EOF {
		ex.rec.Reason = why
	}
}

// appendSwitch writes the 101's head. It has neither length nor coding.
func (ex *exchange) appendSwitch(b []byte) []byte {
	b = ex.appendResponse(b, 0)
	b = b[:len(b)-2]
	return append(b, "Connection: Upgrade\r\n\r\n"...)
}
