package l7

import (
	"fourseven/l4"
	"fourseven/l7/http1"
)

// checkUpgrade reports whether the backend may switch protocols: it was asked to,
// and says to what (RFC 9110 section 15.2.2).
func (c *conn) checkUpgrade() error {
	if !c.upgrading() || !c.resp.Upgrade || !c.resp.Options.Upgrade {
		return http1.ErrResponse
	}
	return nil
}

// switchProtocols passes the 101 on, and what either side has already sent in the
// new protocol, and hands both connections over. They are closed when it returns.
func (c *conn) switchProtocols() error {
	bc := c.backend.Load()
	c.close = true
	c.out.Start()
	defer c.out.Release()
	c.out.Buf = c.appendSwitch(c.out.Buf)
	c.out.Buf = append(c.out.Buf, bc.rd.Unread()...)
	if err := c.out.Flush(); err != nil {
		return errGone
	}
	c.answered = true
	c.rec.Received = int64(c.rd.Buffered())
	if err := c.toBackend.Send(c.rd.Unread()); err != nil {
		return errGone
	}
	bc.rd.Release()
	c.rd.Release()
	c.out.Release()
	c.toBackend.Release()
	if !c.enter(tunnelling) {
		return errGone
	}
	c.tunnel(bc)
	c.backend.Store(nil)
	bc.close()
	c.holds.Release()
	c.holds = nil
	return nil
}

// tunnel hands the connections over and notes what became of them.
func (c *conn) tunnel(bc *backendConn) {
	received, sent, why := c.srv.Relays.Run(c.nc, bc.nc, c.holds)
	c.rec.Received += received
	c.rec.Sent = sent
	if c.reason = why; why != l4.EOF {
		c.rec.Reason = why
	}
}

// appendSwitch writes the 101's head. It has neither length nor coding.
func (c *conn) appendSwitch(b []byte) []byte {
	b = c.appendResponse(b, 0)
	b = b[:len(b)-2]
	return append(b, "Connection: Upgrade\r\n\r\n"...)
}
