package l7

import (
	"errors"
	"io"
)

// appendRequest writes the request's head for the backend, and its body if all of
// it is here. Kept lines are copied as they came, so that names keep their case
// and fields their order; what is of this hop is left out (RFC 9110 section 7.6.1).
func (c *conn) appendRequest() error {
	r, w := &c.req, &c.toBackend
	b := append(w.buf, r.method...)
	b = append(b, ' ')
	b = append(b, r.target...)
	b = append(b, " HTTP/1.1\r\n"...)
	if !r.hostField {
		b = c.appendHost(b)
	}
	for i := range r.fields {
		if f := &r.fields[i]; c.keeps(f) {
			b = append(b, f.line...)
			b = append(b, "\r\n"...)
		} else if f.kind == host {
			b = appendField(b, string(f.name), r.authority)
		}
	}
	b = c.appendHop(b)
	b = c.appendForwarded(b)
	w.buf = append(b, "\r\n"...)
	if c.req.length == chunked || c.body.whole() {
		return c.appendBody()
	}
	return nil
}

// appendHost gives an HTTP/1.0 request without Host one, which HTTP/1.1 demands: the
// authority of its target, or the address that it came to (RFC 9112 section 3.3).
func (c *conn) appendHost(b []byte) []byte {
	if c.req.host != nil {
		return appendField(b, "Host", c.req.host)
	}
	return appendField(b, "Host", []byte(c.nc.LocalAddr().String()))
}

// keeps reports whether a field of the request is passed on as it is.
func (c *conn) keeps(f *field) bool {
	switch f.kind {
	case plain:
		return len(c.req.opts.named) == 0 || !c.req.opts.names(f.name)
	case host:
		return c.req.authority == nil
	case contentLength:
		return true
	case trailer:
		return c.req.length == chunked
	case expect:
		return c.req.expects
	case upgrade:
		return c.upgrading()
	}
	return false
}

func (c *conn) upgrading() bool { return c.req.wantUpgrade && c.srv.Tunnel != nil }

// appendHop adds what is of the next hop: the framing is always our own.
func (c *conn) appendHop(b []byte) []byte {
	if c.req.length == chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case c.upgrading():
		b = append(b, "Connection: Upgrade\r\n"...)
	case c.req.trailersOK && !c.req.http10:
		b = append(b, "TE: trailers\r\nConnection: TE\r\n"...)
	}
	return b
}

// appendForwarded adds X-Forwarded-For, -Proto and -Host. What a trusted proxy
// says of its client is kept, and its own address appended.
func (c *conn) appendForwarded(b []byte) []byte {
	proto, hosted := false, false
	if c.peer.IsValid() { // it is not where the client has no address
		b = c.appendForwardedFor(b)
	}
	for i := range c.req.fields {
		f := &c.req.fields[i]
		if !c.trusted || f.kind != forwardedProto && f.kind != forwardedHost {
			continue
		}
		b = append(append(b, f.line...), "\r\n"...)
		proto, hosted = proto || f.kind == forwardedProto, hosted || f.kind == forwardedHost
	}
	if !proto {
		b = append(b, "X-Forwarded-Proto: http\r\n"...)
	}
	if !hosted && c.req.host != nil {
		b = appendField(b, "X-Forwarded-Host", c.req.host)
	}
	return b
}

func (c *conn) appendForwardedFor(b []byte) []byte {
	b = append(b, "X-Forwarded-For: "...)
	for i := range c.req.fields {
		f := &c.req.fields[i]
		if f.kind == forwardedFor && c.trusted && len(f.value) > 0 {
			b = append(append(b, f.value...), ", "...)
		}
	}
	return append(c.peer.AppendTo(b), "\r\n"...)
}

func appendField(b []byte, name string, value []byte) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}

// appendBody puts what has come of the body behind its head, if that is all of it
// or it is chunked: chunks that are malformed are found before anything is sent.
func (c *conn) appendBody() error {
	c.rd.before = func() error { return errNotHere }
	defer func() { c.rd.before = nil }()
	w := &c.toBackend
	for {
		piece, err := c.body.next()
		if err == nil {
			err = c.countBody(piece)
		}
		switch {
		case err == io.EOF:
			w.buf = c.appendBodyEnd(w.buf)
			return nil
		case err == errNotHere:
			return nil
		case err != nil:
			return c.bodyFailure(err)
		case c.req.length == chunked:
			w.buf = appendChunk(w.buf, piece)
		default:
			w.buf = append(w.buf, piece...)
		}
	}
}

// errNotHere keeps appendBody from waiting for more of the body.
var errNotHere = errors.New("not here yet")

// appendBodyEnd ends a chunked body, with the trailers that came.
func (c *conn) appendBodyEnd(b []byte) []byte {
	if c.req.length == chunked {
		return appendLastChunk(b, c.body.trailers)
	}
	return b
}
