package http1

import "bytes"

// Chunked is the length of a body in chunks, which mark its end themselves
// (RFC 9112 section 7.1).
const Chunked = -1

// Request is a checked request head. Its slices point into the bytes it was
// parsed from, and are not to be used any more once the body is being read.
type Request struct {
	Method    []byte
	Target    []byte // in the form for an origin server (RFC 9112 section 3.2.1)
	Authority []byte // of an absolute-form target: it replaces Host; else nil
	Host      []byte // Authority, or the Host field's value; nil if an HTTP/1.0 request has none
	HasHost   bool   // there is a Host field
	Fields    []Field
	Options   Options

	HTTP10        bool
	IsHead        bool
	Repeatable    bool  // it may be sent twice (RFC 9110 section 9.2.2)
	Length        int64 // of the body, or Chunked; 0 without a body
	Expects       bool  // Expect: 100-continue, with a body to wait for
	Upgrade       bool  // it asks for another protocol, other than HTTP/2
	TakesTrailers bool  // TE: trailers

	hasLength bool // there is a Content-Length
	http2     bool // Upgrade asks for HTTP/2
}

// KeepAlive reports whether the client wants to send more on its connection
// (RFC 9112 section 9.3).
func (r *Request) KeepAlive() bool {
	return !r.Options.Close && (!r.HTTP10 || r.Options.KeepAlive)
}

// Parse checks a whole head, the empty line included, and fills the request. It
// may have been used before. The error is an *Error. Every parser reads what it
// accepts in the same way.
func (r *Request) Parse(head []byte) error {
	r.Reset()
	line, rest := cutLine(head)
	if err := r.parseRequestLine(line); err != nil {
		return err
	}
	for {
		line, rest = cutLine(rest)
		if len(line) == 0 {
			break
		}
		if err := r.addField(line); err != nil {
			return err
		}
	}
	return r.checkWhole()
}

// Reset empties the request, and keeps its memory.
func (r *Request) Reset() {
	*r = Request{Fields: r.Fields[:0], Options: r.Options}
	r.Options.reset()
}

// parseRequestLine reads method, target and version, with exactly one space
// between them (RFC 9112 section 3).
func (r *Request) parseRequestLine(line []byte) error {
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, version, found := bytes.Cut(rest, []byte(" "))
	if len(method) == 0 || !all(&isToken, method) || len(target) == 0 || !found {
		return bad("malformed request line")
	}
	minor, err := parseVersion(version)
	if err != nil {
		return err
	}
	r.HTTP10 = minor == 0
	if string(method) == "CONNECT" {
		return &Error{501, "CONNECT"}
	}
	var ok bool
	r.noteMethod(method)
	if r.Target, r.Authority, ok = splitTarget(method, target); !ok {
		return bad("invalid target")
	}
	return nil
}

func (r *Request) noteMethod(method []byte) {
	r.Method = method
	switch string(method) {
	case "HEAD":
		r.IsHead, r.Repeatable = true, true
	case "GET", "OPTIONS", "PUT", "DELETE", "TRACE":
		r.Repeatable = true
	}
}

// parseVersion returns the minor version of HTTP/1. A higher one than 1 is processed as
// 1 (RFC 9110 section 2.5). The status is 505 for a major version that is not served
// (section 15.6.6), and 400 for what is no version and for HTTP/0.9, which has none in
// its request line.
func parseVersion(version []byte) (minor byte, err error) {
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	if len(version) != 8 || string(version[:5]) != "HTTP/" || version[6] != '.' ||
		!digit(version[5]) || !digit(version[7]) || version[5] == '0' {
		return 0, bad("invalid version")
	}
	if version[5] > '1' {
		return 0, &Error{505, "major version"}
	}
	return version[7] - '0', nil
}

// addField checks one line and adds its field.
func (r *Request) addField(line []byte) error {
	if len(r.Fields) == MaxFields {
		return &Error{431, "too many header fields"} // RFC 6585 section 5
	}
	f, ok := cutField(line)
	if !ok {
		return bad("malformed header line") // obs-fold included: RFC 9112 section 5.2
	}
	var exact bool
	if f.Kind, exact = kindOf(f.Name); f.Kind != Plain {
		if err := r.note(&f, exact); err != nil {
			return err
		}
	}
	r.Fields = append(r.Fields, f)
	return nil
}

// note evaluates a field that frames or routes the message.
func (r *Request) note(f *Field, exact bool) error {
	if !exact {
		if f.Kind == ContentLength || f.Kind == TransferEncoding {
			return bad("lookalike of a framing field")
		}
		// A backend could take the others for what a proxy states about the client.
		if f.Kind < ForwardedFor {
			f.Kind = Plain
		} else {
			f.Kind = Dropped
		}
		return nil
	}
	switch f.Kind {
	case Host:
		return r.noteHost(f.Value)
	case ContentLength:
		return r.noteLength(f)
	case TransferEncoding:
		return r.noteCoding(f.Value)
	case Connection:
		if !r.Options.add(f.Value) {
			return bad("too many connection options")
		}
	case TE:
		r.TakesTrailers = r.TakesTrailers || contains(f.Value, "trailers")
	case Upgrade:
		r.Upgrade = r.Upgrade || len(f.Value) > 0
		r.http2 = r.http2 || contains(f.Value, "h2c") || contains(f.Value, "h2")
	case Expect:
		return r.noteExpect(f)
	}
	return nil
}

// noteHost: there is exactly one, and it is valid (RFC 9112 section 3.2).
func (r *Request) noteHost(value []byte) error {
	if r.Host != nil {
		return bad("two Host fields")
	}
	if !validHost(value) {
		return bad("invalid Host")
	}
	r.Host, r.HasHost = value, true
	return nil
}

// noteLength: one number in one field (RFC 9112 section 6.3, item 5). The list
// of equal numbers that the section would let pass is refused as well.
func (r *Request) noteLength(f *Field) error {
	n, ok := parseLength(f.Value)
	if !ok || r.hasLength {
		return bad("malformed Content-Length")
	}
	if r.Length == Chunked {
		return bad("Content-Length and Transfer-Encoding")
	}
	r.Length, r.hasLength = n, true
	f.plainLength(n)
	return nil
}

// noteCoding: "chunked" alone, once, in HTTP/1.1, without Content-Length (RFC 9112
// section 6.1). The status is 501 for other codings, also for those that RFC 9112 section
// 6.3 would let be refused with 400, and 400 for what is no list of codings.
func (r *Request) noteCoding(value []byte) error {
	switch known, ok := parseCodings(value); {
	case r.hasLength:
		return bad("Content-Length and Transfer-Encoding")
	case r.HTTP10:
		return bad("Transfer-Encoding in HTTP/1.0")
	case !ok:
		return bad("malformed Transfer-Encoding")
	case !known:
		return &Error{501, "unknown transfer coding"}
	case r.Length == Chunked || !equalFold(value, "chunked"):
		return bad("chunked more than once")
	}
	r.Length = Chunked
	return nil
}

// parseCodings reports whether value is a list of transfer codings without parameters or
// empty members (ok), and whether each is "chunked" (known).
func parseCodings(value []byte) (known, ok bool) {
	known = true
	for more := true; more; {
		var coding []byte
		coding, value, more = bytes.Cut(value, []byte(","))
		coding = trimSpace(coding)
		if len(coding) == 0 || !all(&isToken, coding) {
			return false, false
		}
		known = known && equalFold(coding, "chunked")
	}
	return known, true
}

// noteExpect: a list, in which 100-continue is the only expectation there is. An
// HTTP/1.0 request has none (RFC 9110 section 10.1.1). It is passed on once.
func (r *Request) noteExpect(f *Field) error {
	const known = "100-continue"
	if r.HTTP10 {
		return nil
	}
	expects := false
	for list := f.Value; len(list) > 0; {
		var member []byte
		member, list, _ = bytes.Cut(list, []byte(","))
		member = trimSpace(member)
		if len(member) > 0 && !equalFold(member, known) {
			return &Error{417, "unknown expectation"}
		}
		expects = expects || len(member) > 0
	}
	switch {
	case r.Expects || !expects:
		f.Kind = Dropped
	case !equalFold(f.Value, known):
		f.Line = append(append(bytes.Clone(f.Name), ": "...), known...)
	}
	r.Expects = r.Expects || expects
	return nil
}

// checkWhole checks what is known at the end of the head only.
func (r *Request) checkWhole() error {
	if r.Host == nil && !r.HTTP10 {
		return bad("no Host")
	}
	if r.Authority != nil {
		r.Host = r.Authority // RFC 9112 section 3.2.2
	}
	if r.Length != 0 && string(r.Method) == "TRACE" {
		return bad("TRACE with a body") // RFC 9110 section 9.3.8
	}
	r.Expects = r.Expects && r.Length != 0
	// h2c would tunnel requests that are not checked; HTTP/1.0 has no upgrade
	// (RFC 9110 section 7.8); and with a body in chunks the new protocol's bytes begin
	// where the last chunk says.
	r.Upgrade = r.Upgrade && r.Options.Upgrade && !r.http2 && !r.HTTP10 && r.Length != Chunked
	return nil
}
