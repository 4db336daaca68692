package l7

import (
	"errors"
	"io"

	"fourseven/l7/http1"
)

// appendRequest writes the request's head for the backend, and its body if all of
// it is here. Kept lines are copied as they came, so that names keep their case
// and fields their order; what is of this hop is left out (RFC 9110 section 7.6.1).
func (c *conn) appendRequest() error {
	r, w := &c.req, &c.toBackend
	b := append(w.Buf, r.Method...)
	b = append(b, ' ')
	b = append(b, r.Target...)
	b = append(b, " HTTP/1.1\r\n"...)
	if !r.HasHost {
		b = c.appendHost(b)
	}
	for i := range r.Fields {
		if f := &r.Fields[i]; c.keeps(f) {
			b = append(b, f.Line...)
			b = append(b, "\r\n"...)
		} else if f.Kind == http1.Host {
			b = appendField(b, string(f.Name), r.Authority)
		}
	}
	b = c.appendHop(b)
	b = c.appendForwarded(b)
	w.Buf = append(b, "\r\n"...)
	if c.req.Length == http1.Chunked || c.body.Whole() {
		return c.appendBody()
	}
	return nil
}

// appendHost gives an HTTP/1.0 request without Host one, which HTTP/1.1 demands: the
// authority of its target, or the address that it came to (RFC 9112 section 3.3).
func (c *conn) appendHost(b []byte) []byte {
	if c.req.Host != nil {
		return appendField(b, "Host", c.req.Host)
	}
	return appendField(b, "Host", []byte(c.nc.LocalAddr().String()))
}

// keeps reports whether a field of the request is passed on as it is.
func (c *conn) keeps(f *http1.Field) bool {
	switch f.Kind {
	case http1.Plain:
		return !c.req.Options.Names(f.Name)
	case http1.Host:
		return c.req.Authority == nil
	case http1.ContentLength:
		return true
	case http1.Trailer:
		return c.req.Length == http1.Chunked
	case http1.Expect:
		return c.req.Expects
	case http1.Upgrade:
		return c.upgrading()
	}
	return false
}

func (c *conn) upgrading() bool { return c.req.Upgrade && c.srv.Relays != nil }

// appendHop adds what is of the next hop: the framing is always our own.
func (c *conn) appendHop(b []byte) []byte {
	if c.req.Length == http1.Chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case c.upgrading():
		b = append(b, "Connection: Upgrade\r\n"...)
	case c.req.TakesTrailers && !c.req.HTTP10:
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
	for i := range c.req.Fields {
		f := &c.req.Fields[i]
		if !c.trusted || f.Kind != http1.ForwardedProto && f.Kind != http1.ForwardedHost {
			continue
		}
		b = append(append(b, f.Line...), "\r\n"...)
		proto, hosted = proto || f.Kind == http1.ForwardedProto, hosted || f.Kind == http1.ForwardedHost
	}
	if !proto {
		b = append(b, "X-Forwarded-Proto: http\r\n"...)
	}
	if !hosted && c.req.Host != nil {
		b = appendField(b, "X-Forwarded-Host", c.req.Host)
	}
	return b
}

func (c *conn) appendForwardedFor(b []byte) []byte {
	b = append(b, "X-Forwarded-For: "...)
	for i := range c.req.Fields {
		f := &c.req.Fields[i]
		if f.Kind == http1.ForwardedFor && c.trusted && len(f.Value) > 0 {
			b = append(append(b, f.Value...), ", "...)
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
	c.rd.Before = func() error { return errNotHere }
	defer func() { c.rd.Before = nil }()
	w := &c.toBackend
	for {
		piece, err := c.body.Next()
		if err == nil {
			err = c.countBody(piece)
		}
		switch {
		case err == io.EOF:
			w.Buf = c.appendBodyEnd(w.Buf)
			return nil
		case err == errNotHere:
			return nil
		case err != nil:
			return c.bodyFailure(err)
		case c.req.Length == http1.Chunked:
			w.Buf = http1.AppendChunk(w.Buf, piece)
		default:
			w.Buf = append(w.Buf, piece...)
		}
	}
}

// errNotHere keeps appendBody from waiting for more of the body.
var errNotHere = errors.New("not here yet")

// appendBodyEnd ends a chunked body, with the trailers that came.
func (c *conn) appendBodyEnd(b []byte) []byte {
	if c.req.Length == http1.Chunked {
		return http1.AppendLastChunk(b, c.body.Trailers)
	}
	return b
}
