package http1

import "bytes"

// UntilClose is the length of a body that ends where the connection does (RFC
// 9112 section 6.3, item 8).
const UntilClose = -2

// Response is a checked response head. Its slices point into the bytes it was
// parsed from.
type Response struct {
	Status  int
	Line    []byte // the status line behind the version: " 200 OK"
	Fields  []Field
	Options Options
	Upgrade bool // there is an Upgrade field

	http10    bool
	length    int64 // as the head frames the body: bytes, Chunked, or UntilClose
	hasLength bool
}

// Parse checks a whole head and fills the response, which may have been used
// before. The error is ErrResponse. A response is read more leniently than a request:
// lines may end with a bare LF, and space before a colon is removed (RFC 9112
// section 5.1), since the head is written anew and the client sees one reading.
func (r *Response) Parse(head []byte) error {
	r.Reset()
	line, rest := cutLine(head)
	if !r.parseStatusLine(line) {
		return ErrResponse
	}
	for {
		line, rest = cutLine(rest)
		if len(line) == 0 {
			break
		}
		if !r.addField(line) {
			return ErrResponse
		}
	}
	return nil
}

// Reset empties the response, and keeps its memory.
func (r *Response) Reset() {
	*r = Response{Fields: r.Fields[:0], Options: r.Options, length: UntilClose}
	r.Options.reset()
}

// parseStatusLine reads "HTTP/1.x NNN reason" (RFC 9112 section 4). The reason
// may be missing, with the space before it.
func (r *Response) parseStatusLine(line []byte) bool {
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
		r.Status = r.Status*10 + int(c-'0')
	}
	r.http10, r.Line = line[7] == '0', line[8:]
	return r.Status >= 100 // past 599 none is defined, but some are in use
}

func (r *Response) addField(line []byte) bool {
	if len(r.Fields) == MaxFields {
		return false
	}
	f, ok := cutField(line)
	if !ok {
		if f, ok = cutSpacedField(line); !ok {
			return false // obs-fold included: a 502 is what RFC 9112 section 5.2 asks for
		}
	}
	var exact bool
	if f.Kind, exact = kindOf(f.Name); !exact {
		f.Kind = Plain
	}
	r.Fields = append(r.Fields, f)
	return r.note(&r.Fields[len(r.Fields)-1])
}

// cutSpacedField splits a line with white space before the colon.
func cutSpacedField(line []byte) (Field, bool) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	trimmed := bytes.TrimRight(name, " \t")
	if len(trimmed) == len(name) {
		return Field{}, false
	}
	clean := append(append(bytes.Clone(trimmed), ':'), value...)
	return cutField(clean)
}

func (r *Response) note(f *Field) bool {
	switch f.Kind {
	case ContentLength:
		return r.noteLength(f)
	case TransferEncoding:
		// Only "chunked" can be passed on. With a length beside it, or from an
		// HTTP/1.0 server, it is an error (RFC 9112 section 6.3, item 3).
		if r.hasLength || r.http10 || r.length == Chunked || !equalFold(f.Value, "chunked") {
			return false
		}
		r.length = Chunked
	case Connection:
		return r.Options.add(f.Value)
	case Upgrade:
		r.Upgrade = true
	}
	return true
}

// noteLength takes the same length twice as once (RFC 9110 section 8.6).
func (r *Response) noteLength(f *Field) bool {
	n, ok := parseLength(f.Value)
	if !ok || r.length == Chunked || r.hasLength && n != r.length {
		return false
	}
	if r.hasLength {
		f.Kind = Dropped
	}
	r.length, r.hasLength = n, true
	return true
}

// BodyLength returns how the body is framed, given the request's method (RFC
// 9112 section 6.3).
func (r *Response) BodyLength(isHead bool) int64 {
	if isHead || r.Status < 200 || r.Status == 204 || r.Status == 304 {
		return 0
	}
	return r.length
}

// KeepAlive reports whether the backend goes on reading from its connection.
func (r *Response) KeepAlive() bool {
	return !r.Options.Close && (!r.http10 || r.Options.KeepAlive)
}
