package l7

import (
	"fmt"
	"time"

	"fourseven/internal/loop"
)

// plainHTTP is the response to a client that speaks HTTP where TLS is ended.
var plainHTTP = func() []byte {
	const body = `{"error":"Client sent an HTTP request to an HTTPS server"}`
	return fmt.Appendf(nil, "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
}()

// secure ends the client's TLS, if that is wanted. It reports whether there is a
// connection.
func (c *conn) secure() bool {
	if c.srv.TLS == nil || c.elsewhere != nil {
		return true
	}
	nc, why := c.srv.TLS.Serve(c.nc.(*loop.Conn), c.visitor.Client, plainHTTP)
	if why != "" {
		if c.stopped == running {
			c.reason = why
		}
		return false
	}
	info := nc.Info()
	c.nc, c.lent.Conn, c.secured = nc, nc, &info
	c.rd.Conn, c.early.conn = nc, nc
	return true
}

// takeLeave sends a client of TLS close_notify, the sign that its stream is complete,
// which closing the connection does as far as there is room for it.
func (c *conn) takeLeave() {
	if c.secured != nil && c.stopped == running {
		_ = c.nc.SetWriteDeadline(time.Now().Add(lingerGap))
		_ = c.nc.CloseWrite()
	}
}
