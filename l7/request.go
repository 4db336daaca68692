package l7

import (
	"errors"
	"io"

	"fourseven/l7/http1"
)

// appendRequest writes the request's head for the backend, and its body if all of it
// has arrived. Lines are copied unchanged, so that names keep their case and fields
// their order; hop-by-hop fields are left out (RFC 9110 section 7.6.1).
func (ex *exchange) appendRequest() error {
	r, w := &ex.req, &ex.toBackend
	b := append(w.Buf, r.Method...)
	b = append(b, ' ')
	b = append(b, r.Target...)
	b = append(b, " HTTP/1.1\r\n"...)
	if !r.HasHost {
		b = ex.appendHost(b)
	}
	for i := range r.Fields {
		if f := &r.Fields[i]; ex.keeps(f) {
			b = append(b, f.Line...)
			b = append(b, "\r\n"...)
		} else if f.Kind == http1.Host {
			b = appendField(b, string(f.Name), r.Authority)
		}
	}
	b = ex.appendHop(b)
	b = ex.appendForwarded(b)
	w.Buf = append(b, "\r\n"...)
	if ex.req.Length == http1.Chunked || ex.body.Whole() {
		return ex.appendBody()
	}
	return nil
}

// appendHost adds Host, which HTTP/1.1 demands, to an HTTP/1.0 request without it: the
// authority of its target, or the address that it was sent to (RFC 9112 section 3.3).
func (ex *exchange) appendHost(b []byte) []byte {
	if ex.req.Host != nil {
		return appendField(b, "Host", ex.req.Host)
	}
	if local := ex.conn.visitor.Local(ex.conn.nc); local.IsValid() {
		return appendField(b, "Host", []byte(local.String()))
	}
	return appendField(b, "Host", []byte("localhost")) // over a Unix socket
}

// keeps reports whether a field of the request is passed on as it is.
func (ex *exchange) keeps(f *http1.Field) bool {
	switch f.Kind {
	case http1.Plain:
		return !ex.req.Options.Names(f.Name)
	case http1.Host:
		return ex.req.Authority == nil
	case http1.ContentLength, http1.Date:
		return true
	case http1.Trailer:
		return ex.req.Length == http1.Chunked
	case http1.Expect:
		return ex.req.Expects
	case http1.Upgrade:
		return ex.upgrading()
	case http1.Forwarded:
		return ex.conn.trusted
	}
	return false
}

func (ex *exchange) upgrading() bool { return ex.req.Upgrade && ex.conn.srv.Relays != nil }

// appendHop adds the hop-by-hop fields for the backend. The framing is always our own.
func (ex *exchange) appendHop(b []byte) []byte {
	if ex.req.Length == http1.Chunked {
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case ex.upgrading():
		b = append(b, "Connection: Upgrade\r\n"...)
	case ex.req.TakesTrailers && !ex.req.HTTP10:
		b = append(b, "TE: trailers\r\nConnection: TE\r\n"...)
	}
	if ex.conn.srv.upstreams.keepsNone && !ex.upgrading() {
		b = append(b, "Connection: close\r\n"...)
	}
	return b
}

// appendForwarded adds X-Forwarded-For, -Proto and -Host. Those of a trusted proxy are
// kept, with its own address appended to X-Forwarded-For. The name in the certificate of
// a client may be stated by fourseven alone.
func (ex *exchange) appendForwarded(b []byte) []byte {
	proto, hosted := false, false
	b = ex.appendForwardedFor(b)
	for i := range ex.req.Fields {
		f := &ex.req.Fields[i]
		if !ex.conn.trusted || f.Kind != http1.ForwardedProto && f.Kind != http1.ForwardedHost {
			continue
		}
		b = append(append(b, f.Line...), "\r\n"...)
		proto, hosted = proto || f.Kind == http1.ForwardedProto, hosted || f.Kind == http1.ForwardedHost
	}
	secured := ex.conn.secured
	switch {
	case proto:
	case secured != nil:
		b = append(b, "X-Forwarded-Proto: https\r\n"...)
	default:
		b = append(b, "X-Forwarded-Proto: http\r\n"...)
	}
	if secured != nil && secured.ClientName != "" {
		b = appendField(b, "X-Client-Cert-CN", fieldValue(secured.ClientName))
	}
	if !hosted && ex.req.Host != nil {
		b = appendField(b, "X-Forwarded-Host", ex.req.Host)
	}
	return b
}

// appendForwardedFor adds X-Forwarded-For: the addresses from a trusted proxy, then the
// client's own, which clients of a Unix socket do not have.
func (ex *exchange) appendForwardedFor(b []byte) []byte {
	const name = "X-Forwarded-For: "
	before := len(b)
	b = append(b, name...)
	for i := range ex.req.Fields {
		f := &ex.req.Fields[i]
		if f.Kind == http1.ForwardedFor && ex.conn.trusted && len(f.Value) > 0 {
			b = append(append(b, f.Value...), ", "...)
		}
	}
	if ex.conn.peer.IsValid() {
		return append(ex.conn.peer.AppendTo(b), "\r\n"...)
	}
	if len(b) == before+len(name) {
		return b[:before]
	}
	return append(b[:len(b)-len(", ")], "\r\n"...)
}

// fieldValue returns a text with each byte replaced that no field may have.
func fieldValue(text string) []byte {
	value := []byte(text)
	for i, c := range value {
		if c < ' ' || c == 0x7f {
			value[i] = '?'
		}
	}
	return value
}

func appendField(b []byte, name string, value []byte) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}

// appendBody adds the part of the body that has arrived. It is called if that is all
// of it, or if it is chunked: malformed chunks are then found before anything is sent.
func (ex *exchange) appendBody() error {
	ex.conn.rd.Before = func() error { return errNotHere }
	defer func() { ex.conn.rd.Before = nil }()
	w := &ex.toBackend
	for {
		piece, err := ex.body.Next()
		if err == nil {
			err = ex.countBody(piece)
		}
		switch {
		case err == io.EOF:
			w.Buf = ex.appendBodyEnd(w.Buf)
			return nil
		case err == errNotHere:
			return nil
		case err != nil:
			return ex.bodyFailure(err)
		case ex.req.Length == http1.Chunked:
			w.Buf = http1.AppendChunk(w.Buf, piece)
		default:
			w.Buf = append(w.Buf, piece...)
		}
	}
}

// errNotHere keeps appendBody from waiting for more of the body.
var errNotHere = errors.New("not here yet")

// appendBodyEnd ends a chunked body, with the trailers that came.
func (ex *exchange) appendBodyEnd(b []byte) []byte {
	if ex.req.Length == http1.Chunked {
		return http1.AppendLastChunk(b, ex.body.Trailers)
	}
	return b
}
