package l7

import (
	"bytes"
	"fmt"
)

// refusal is why a request is not forwarded: the status to answer with, and a
// reason for the log, which the client is not told.
type refusal struct {
	status int
	why    string
}

func (e *refusal) Error() string { return fmt.Sprintf("refused with %d: %s", e.status, e.why) }

func bad(why string) error { return &refusal{400, why} }

// chunked is the length of a body that says itself where it ends.
const chunked = -1

// request is a checked request head. Its slices point into the bytes it was
// parsed from, and are not to be used any more once the body is being read.
type request struct {
	method    []byte
	target    []byte // as it is sent to a backend
	authority []byte // of an absolute-form target: it replaces Host
	host      []byte // nil if an HTTP/1.0 request has none
	hostField bool
	fields    []field
	opts      options

	http10      bool
	isHead      bool
	repeatable  bool  // it may be sent twice (RFC 9110 section 9.2.2)
	length      int64 // of the body, or chunked; 0 without a body
	hasLength   bool  // a Content-Length says so
	expects     bool  // Expect: 100-continue, with a body to wait for
	wantUpgrade bool
	trailersOK  bool // TE: trailers
	http2       bool // Upgrade asks for HTTP/2: never passed on
}

// keepAlive reports whether the client wants to send more on its connection
// (RFC 9112 section 9.3).
func (r *request) keepAlive() bool {
	return !r.opts.close && (!r.http10 || r.opts.keepAlive)
}

// headEnd looks for the empty line that ends a head, and returns the length of
// the head with it, or 0. It looks from *line on, the start of a line, and leaves
// there where to go on. A line must end with CR and LF unless lenient: RFC 9112
// section 2.2 lets a recipient take a bare LF for a line's end, which is what
// makes two parsers read a message differently.
func headEnd(p []byte, line *int, lenient bool) (int, error) {
	for {
		i := bytes.IndexByte(p[*line:], '\n')
		if i < 0 {
			return 0, nil
		}
		end := *line + i
		crlf := i > 0 && p[end-1] == '\r'
		if !crlf && !lenient {
			return 0, bad("bare LF")
		}
		if i == 0 || i == 1 && crlf {
			return end + 1, nil
		}
		*line = end + 1
	}
}

// parse checks a whole head, the empty line included, and fills the request. The
// error is a *refusal. What it lets through is read alike by every parser.
func (r *request) parse(head []byte) error {
	r.reset()
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

// reset makes it a request of which nothing is known, and keeps its memory.
func (r *request) reset() {
	*r = request{fields: r.fields[:0], opts: r.opts}
	r.opts.reset()
}

// cutLine cuts the first line off, without its end.
func cutLine(p []byte) (line, rest []byte) {
	i := bytes.IndexByte(p, '\n')
	line, rest = p[:i], p[i+1:]
	return bytes.TrimSuffix(line, []byte("\r")), rest
}

// parseRequestLine reads method, target and version, with exactly one space
// between them (RFC 9112 section 3).
func (r *request) parseRequestLine(line []byte) error {
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, version, found := bytes.Cut(rest, []byte(" "))
	if len(method) == 0 || !all(&isToken, method) || len(target) == 0 || !found {
		return bad("malformed request line")
	}
	switch string(version) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		r.http10 = true
	default:
		return badVersion(version)
	}
	if string(method) == "CONNECT" {
		return &refusal{501, "CONNECT"}
	}
	var ok bool
	r.noteMethod(method)
	if r.target, r.authority, ok = splitTarget(method, target); !ok {
		return bad("invalid target")
	}
	return nil
}

func (r *request) noteMethod(method []byte) {
	r.method = method
	switch string(method) {
	case "HEAD":
		r.isHead, r.repeatable = true, true
	case "GET", "OPTIONS", "PUT", "DELETE", "TRACE":
		r.repeatable = true
	}
}

// badVersion answers 505 to a major version that is not served (RFC 9110
// section 15.6.6), and 400 to what is no version, to HTTP/0.9, which has none in
// its request line, and to HTTP/1.2 and up, which do not exist.
func badVersion(version []byte) error {
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	if len(version) == 8 && string(version[:5]) == "HTTP/" && version[6] == '.' &&
		digit(version[5]) && digit(version[7]) && version[5] > '1' {
		return &refusal{505, "major version"}
	}
	return bad("invalid version")
}

// addField checks one line and notes what it says.
func (r *request) addField(line []byte) error {
	f, ok := cutField(line)
	if !ok {
		return bad("malformed header line") // obs-fold included: RFC 9112 section 5.2
	}
	var exact bool
	if f.kind, exact = kindOf(f.name); f.kind != plain {
		if err := r.note(&f, exact); err != nil {
			return err
		}
	}
	r.fields = append(r.fields, f)
	return nil
}

// note takes in a field that means something to the proxy.
func (r *request) note(f *field, exact bool) error {
	if !exact {
		if f.kind == contentLength || f.kind == transferEncoding {
			return bad("lookalike of a framing field")
		}
		if f.kind < forwardedFor {
			f.kind = plain
		}
		return nil
	}
	switch f.kind {
	case host:
		return r.noteHost(f.value)
	case contentLength:
		return r.noteLength(f.value)
	case transferEncoding:
		return r.noteCoding(f.value)
	case connection:
		if !r.opts.add(f.value) {
			return bad("too many connection options")
		}
	case te:
		r.trailersOK = r.trailersOK || contains(f.value, "trailers")
	case upgrade:
		r.wantUpgrade = r.wantUpgrade || len(f.value) > 0
		r.http2 = r.http2 || contains(f.value, "h2c") || contains(f.value, "h2")
	case expect:
		return r.noteExpect(f.value)
	}
	return nil
}

// noteHost: there is exactly one, and it is valid (RFC 9112 section 3.2).
func (r *request) noteHost(value []byte) error {
	if r.host != nil {
		return bad("two Host fields")
	}
	if !validHost(value) {
		return bad("invalid Host")
	}
	r.host, r.hostField = value, true
	return nil
}

// noteLength: one number in one field (RFC 9112 section 6.3, item 5). The list
// of equal numbers that the section would let pass is refused as well.
func (r *request) noteLength(value []byte) error {
	n, ok := parseLength(value)
	if !ok || r.hasLength {
		return bad("malformed Content-Length")
	}
	if r.length == chunked {
		return bad("Content-Length and Transfer-Encoding")
	}
	r.length, r.hasLength = n, true
	return nil
}

// noteCoding: "chunked" alone, once, in HTTP/1.1, without Content-Length
// (RFC 9112 section 6.1).
func (r *request) noteCoding(value []byte) error {
	if r.hasLength {
		return bad("Content-Length and Transfer-Encoding")
	}
	if r.length == chunked || !equalFold(value, "chunked") {
		return bad("unknown transfer coding")
	}
	if r.http10 {
		return bad("Transfer-Encoding in HTTP/1.0")
	}
	r.length = chunked
	return nil
}

// noteExpect: 100-continue is the only expectation there is, and an HTTP/1.0
// request has none (RFC 9110 section 10.1.1).
func (r *request) noteExpect(value []byte) error {
	if r.http10 {
		return nil
	}
	if !equalFold(value, "100-continue") {
		return &refusal{417, "unknown expectation"}
	}
	r.expects = true
	return nil
}

// checkWhole checks what is known at the end of the head only.
func (r *request) checkWhole() error {
	if r.host == nil && !r.http10 {
		return bad("no Host")
	}
	if r.authority != nil {
		r.host = r.authority // RFC 9112 section 3.2.2
	}
	if r.length != 0 && string(r.method) == "TRACE" {
		return bad("TRACE with a body") // RFC 9110 section 9.3.8
	}
	r.expects = r.expects && r.length != 0
	// h2c would tunnel requests that nobody checks; HTTP/1.0 has no upgrade
	// (RFC 9110 section 7.8); and one with a body is not worth its ambiguity.
	r.wantUpgrade = r.wantUpgrade && r.opts.upgrade && !r.http2 && !r.http10 && r.length == 0
	return nil
}
