package l7

import (
	"bytes"
	"errors"
)

// untilClose is the length of a body that the connection's end ends.
const untilClose = -2

// errResponse is a backend's answer that cannot be understood in one way only.
var errResponse = errors.New("malformed response")

// response is a checked response head. Its slices point into the bytes it was
// parsed from.
type response struct {
	status int
	line   []byte // the status line behind the version: " 200 OK"
	fields []field
	opts   options

	http10    bool
	length    int64 // as the head frames the body: bytes, chunked, or untilClose
	hasLength bool
	upgrades  bool
}

// parse checks a whole head. A response is read more leniently than a request:
// lines may end with a bare LF, and space before a colon is removed (RFC 9112
// section 5.1), since the head is written anew and the client sees one reading.
func (r *response) parse(head []byte) error {
	*r = response{fields: r.fields[:0], opts: r.opts, length: untilClose}
	r.opts.reset()
	line, rest := cutLine(head)
	if !r.parseStatusLine(line) {
		return errResponse
	}
	for {
		line, rest = cutLine(rest)
		if len(line) == 0 {
			break
		}
		if !r.addField(line) {
			return errResponse
		}
	}
	return nil
}

// parseStatusLine reads "HTTP/1.x NNN reason" (RFC 9112 section 4). The reason
// may be missing, with the space before it.
func (r *response) parseStatusLine(line []byte) bool {
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[8] != ' ' || !all(&isValue, line) {
		return false
	}
	if line[7] < '0' || line[7] > '9' || len(line) > 12 && line[12] != ' ' {
		return false
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return false
		}
		r.status = r.status*10 + int(c-'0')
	}
	r.http10, r.line = line[7] == '0', line[8:]
	return r.status >= 100 // past 599 none is defined, but some are in use
}

func (r *response) addField(line []byte) bool {
	f, ok := cutField(line)
	if !ok {
		if f, ok = cutSpacedField(line); !ok {
			return false // obs-fold included: a 502 is what RFC 9112 section 5.2 asks for
		}
	}
	var exact bool
	if f.kind, exact = kindOf(f.name); !exact {
		f.kind = plain
	}
	r.fields = append(r.fields, f)
	return r.note(&r.fields[len(r.fields)-1])
}

// cutSpacedField splits a line with white space before the colon.
func cutSpacedField(line []byte) (field, bool) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	trimmed := bytes.TrimRight(name, " \t")
	if len(trimmed) == len(name) {
		return field{}, false
	}
	clean := append(append(bytes.Clone(trimmed), ':'), value...)
	return cutField(clean)
}

func (r *response) note(f *field) bool {
	switch f.kind {
	case contentLength:
		return r.noteLength(f)
	case transferEncoding:
		// Only "chunked" can be passed on. With a length beside it, or from an
		// HTTP/1.0 server, it is an error (RFC 9112 section 6.3, item 3).
		if r.hasLength || r.http10 || r.length == chunked || !equalFold(f.value, "chunked") {
			return false
		}
		r.length = chunked
	case connection:
		return r.opts.add(f.value)
	case upgrade:
		r.upgrades = true
	}
	return true
}

// noteLength takes the same length twice as once (RFC 9110 section 8.6).
func (r *response) noteLength(f *field) bool {
	n, ok := parseLength(f.value)
	if !ok || r.length == chunked || r.hasLength && n != r.length {
		return false
	}
	if r.hasLength {
		f.kind = hopByHop // the second is dropped
	}
	r.length, r.hasLength = n, true
	return true
}

// bodyLength returns how the body is framed, given the request's method (RFC
// 9112 section 6.3).
func (r *response) bodyLength(isHead bool) int64 {
	if isHead || r.status < 200 || r.status == 204 || r.status == 304 {
		return 0
	}
	return r.length
}

// keepAlive reports whether the backend goes on reading from its connection.
func (r *response) keepAlive() bool {
	return !r.opts.close && (!r.http10 || r.opts.keepAlive)
}
