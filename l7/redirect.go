package l7

import (
	"bytes"
	"net"
	"strconv"

	"fourseven/internal/loop"
	"fourseven/l7/http1"
)

// ServeRedirect is Serve for a listener whose requests are all redirected (308) to the
// same URL with https. If the request's Host has a port, the URL has this port instead of
// it, and none for 443; without a port in Host there is none in the URL, either: the
// listener is reached by port 80 then.
func (s *Server) ServeRedirect(ln net.Listener, port int) error {
	to := ""
	if port != 443 {
		to = ":" + strconv.Itoa(port)
	}
	return s.serve(ln, func(nc *loop.Conn) { s.beginConn(nc, &redirect{to}) })
}

// redirect is where the requests of a connection are sent.
type redirect struct{ port string } // with its colon, or empty

// answer responds to the request of an exchange. It reports whether the client's
// connection can be used for another.
func (r *redirect) answer(ex *exchange) bool {
	if ex.req.Host == nil { // HTTP/1.0
		return ex.refuse(&httpError{status: 400, cause: errNoHost})
	}
	ex.body.Start(&ex.conn.rd, ex.req.Length)
	ex.close = !ex.req.KeepAlive() || ex.conn.srv.retiring() || ex.req.Length != 0
	ex.sendOwn(308, func(dst []byte) []byte {
		dst = r.appendURL(append(dst, "Location: "...), ex)
		return append(dst, "\r\nContent-Length: 0\r\n"...)
	}, "")
	if ex.req.Length != 0 {
		ex.linger()
	}
	return !ex.close
}

// appendURL writes where the request is sent. OPTIONS * has no path.
func (r *redirect) appendURL(dst []byte, ex *exchange) []byte {
	host := ex.req.Host
	if name, _, found := http1.CutPort(host); found {
		host = append(bytes.Clone(name), r.port...)
	}
	dst = append(append(dst, "https://"...), host...)
	if target := ex.req.Target; target[0] == '/' {
		return append(dst, target...)
	}
	return append(dst, '/')
}
