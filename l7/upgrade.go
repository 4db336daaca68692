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
// the new protocol, and hands both connections to Relays. No fiber is left then; endUpgrade
// ends the exchange. The new protocol begins behind the request's body, whose rest is
// forwarded first.
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
	c.account()
	if !c.enter(upgraded) {
		return errGone
	}
	c.resting = c.nc.Go(func() { c.srv.Relays.Start(c.nc, bc.nc, ex.backend.backend, ex.endUpgrade) })
	if !c.resting {
		return errGone // the loops are being closed
	}
	return nil
}

// endUpgrade ends the exchange and the client's connection, after their relay.
func (ex *exchange) endUpgrade(received, sent int64, why l4.Ending) {
	c := ex.conn
	ex.rec.Received += received
	ex.rec.Sent = sent
	if c.reason = why; why != l4.EOF {
		ex.rec.Reason = why
	}
	ex.backend.use = complete
	ex.backend.release()
	ex.end()
	c.ex = nil
	c.end()
}

// appendSwitch writes the 101's head. It has neither length nor coding.
func (ex *exchange) appendSwitch(b []byte) []byte {
	b = ex.appendResponse(b, 0)
	b = b[:len(b)-2]
	return append(b, "Connection: Upgrade\r\n\r\n"...)
}
