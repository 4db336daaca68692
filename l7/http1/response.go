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
	HasDate bool // there is a Date field
	// Irregular is set if another parser could have read the head, and so the end of
	// the response, in another way. The connection is not to be used again.
	Irregular bool

	http10    bool
	chunked   bool
	length    int64 // as the head frames the body: bytes, Chunked, or UntilClose
	hasLength bool
}

// Parse checks a whole head and fills the response, which may have been used before.
// The error is a *ResponseError. A response is read more leniently than a request, since
// its head is written anew and the client sees one reading: lines may end with a bare
// LF, space before a colon is removed (RFC 9112 section 5.1), and what Irregular
// describes is accepted. Folded lines are unfolded in head itself.
func (r *Response) Parse(head []byte) error {
	r.Reset()
	empty := emptyLines(head)
	r.Irregular = empty > 0
	line, rest := cutLine(head[empty:])
	if !r.parseStatusLine(line) {
		return &ResponseError{Rule: "status line"}
	}
	for {
		var folded bool
		line, rest, folded = cutUnfolded(rest)
		r.Irregular = r.Irregular || folded
		if len(line) == 0 {
			r.frame()
			return nil
		}
		if err := r.addField(line); err != nil {
			return err
		}
	}
}

// Reset empties the response, and keeps its memory.
func (r *Response) Reset() {
	*r = Response{Fields: r.Fields[:0], Options: r.Options, length: UntilClose}
	r.Options.reset()
}

// parseStatusLine reads "HTTP/1.x NNN reason" (RFC 9112 section 4). The reason
// may be missing, with the space before it, which is put back.
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
	if len(line) == 12 {
		r.Line = append(bytes.Clone(r.Line), ' ')
	}
	return r.Status >= 100 // past 599 none is defined, but some are in use
}

func (r *Response) addField(line []byte) error {
	if len(r.Fields) == MaxFields {
		return &ResponseError{Rule: "too many fields"}
	}
	f, spaced, ok := cutResponseField(line)
	if !ok {
		name, _, _ := bytes.Cut(line, []byte(":"))
		return badField("field line", name)
	}
	r.Irregular = r.Irregular || spaced
	var exact bool
	if f.Kind, exact = kindOf(f.Name); !exact {
		f.Kind = Plain
	}
	r.Fields = append(r.Fields, f)
	return r.note(&r.Fields[len(r.Fields)-1])
}

// cutResponseField splits a line as cutField does, also with white space before the colon
// (spaced), which the field's line no longer has.
func cutResponseField(line []byte) (f Field, spaced, ok bool) {
	if f, ok = cutField(line); ok {
		return f, false, true
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	trimmed := bytes.TrimRight(name, " \t")
	if len(trimmed) == len(name) {
		return Field{}, false, false
	}
	clean := append(append(bytes.Clone(trimmed), ':'), value...)
	f, ok = cutField(clean)
	return f, true, ok
}

func (r *Response) note(f *Field) error {
	switch f.Kind {
	case ContentLength:
		return r.noteLength(f)
	case TransferEncoding:
		return r.noteCoding(f)
	case Connection:
		if !r.Options.add(f.Value) {
			return badField("too many connection options", f.Name)
		}
	case Upgrade:
		r.Upgrade = true
	case Date:
		r.HasDate = true
	}
	return nil
}

// noteLength takes the same length several times, in one field or in several, as once
// (RFC 9110 section 8.6).
func (r *Response) noteLength(f *Field) error {
	again := r.hasLength
	for list, more := f.Value, true; more; {
		var member []byte
		member, list, more = bytes.Cut(list, []byte(","))
		n, ok := parseLength(trimSpace(member))
		switch {
		case !ok:
			return badField("length that is no number", f.Name)
		case r.hasLength && n != r.length:
			return badField("lengths that differ", f.Name)
		}
		r.Irregular = r.Irregular || r.hasLength
		r.length, r.hasLength = n, true
	}
	if again {
		f.Kind = Dropped
	} else {
		f.plainLength(r.length)
	}
	return nil
}

// noteCoding takes "chunked", the only coding that can be passed on, several times as
// once. From an HTTP/1.0 server it is an error (RFC 9112 section 6.1).
func (r *Response) noteCoding(f *Field) error {
	switch known, ok := parseCodings(f.Value); {
	case r.http10:
		return badField("transfer coding in HTTP/1.0", f.Name)
	case !ok || !known:
		return badField("transfer coding other than chunked", f.Name)
	}
	r.Irregular = r.Irregular || r.chunked || !equalFold(f.Value, "chunked")
	r.chunked = true
	return nil
}

// frame decides between a coding and a length: the coding counts (RFC 9112 section 6.3,
// item 3).
func (r *Response) frame() {
	if !r.chunked {
		return
	}
	r.length = Chunked
	r.Irregular = r.Irregular || r.hasLength
	for i := range r.Fields {
		if f := &r.Fields[i]; r.hasLength && f.Kind == ContentLength {
			f.Kind = Dropped
		}
	}
}

// BodyLength returns how the body is framed, given the request's method (RFC
// 9112 section 6.3).
func (r *Response) BodyLength(isHead bool) int64 {
	if isHead || r.Status < 200 || r.Status == 204 || r.Status == 304 {
		return 0
	}
	return r.length
}

// KeepAlive reports whether the connection may be used for another request: the backend
// goes on reading from it, and it is certain where the response ends.
func (r *Response) KeepAlive() bool {
	return !r.Irregular && !r.Options.Close && (!r.http10 || r.Options.KeepAlive)
}
