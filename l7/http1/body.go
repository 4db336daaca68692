package http1

import (
	"bytes"
	"io"
	"math"
)

// maxChunkLine bounds the size line of a chunk with its extensions, and maxTrailer
// the trailer section.
const (
	maxChunkLine = 1 << 10
	maxTrailer   = 16 << 10
)

// Body reads one message's body from a Reader, without its framing.
type Body struct {
	// Lenient accepts in a chunked body what some servers send: white space or a bare
	// ";" behind a chunk's size, and trailers that are folded or have space before the
	// colon.
	Lenient bool
	// Irregular is set if, in a Lenient body, another parser could have found another
	// end. The connection is not to be used again.
	Irregular bool
	// KeepBack leaves the last byte that has arrived of a body that goes on unread until
	// more of it comes. A chunked body has none kept back.
	KeepBack bool
	// Length is that of the whole body, or Chunked, or UntilClose.
	Length int64
	// Trailers are the checked fields behind a chunked body. They are valid until
	// the Reader is used again.
	Trailers []Field

	rd    *Reader
	left  int64 // of the body or of the present chunk
	state bodyState
}

type bodyState uint8

const (
	inData     bodyState = iota // left bytes of data come next
	atSize                      // a chunk's size line comes next
	afterChunk                  // the line end behind a chunk's data comes next
	atTrailers                  // the trailer section comes next
	atEnd
)

// Start begins a body of that length, which may be Chunked or UntilClose. Lenient
// KeepBack and the memory of Trailers stay.
func (b *Body) Start(rd *Reader, length int64) {
	*b = Body{rd: rd, Length: length, left: length, Lenient: b.Lenient, KeepBack: b.KeepBack, Trailers: b.Trailers[:0]}
	switch {
	case length == Chunked:
		b.state, b.left = atSize, 0
	case length == UntilClose:
		b.left = math.MaxInt64
	case length == 0:
		b.state = atEnd
	}
}

// Whole reports whether a body of known length is in the reader's buffer.
func (b *Body) Whole() bool { return b.Length >= 0 && b.left <= int64(b.rd.Buffered()) }

// Ended reports whether all of the body has been read.
func (b *Body) Ended() bool { return b.state == atEnd }

// Left returns how much of a body of known length has not been read.
func (b *Body) Left() int64 {
	if b.Length < 0 || b.state != inData {
		return 0
	}
	return b.left
}

// Passed notes that n bytes of a body of known length were read by others, past the
// Reader.
func (b *Body) Passed(n int64) {
	if b.left -= n; b.left == 0 {
		b.state = atEnd
	}
}

// Next returns the next piece of the body, which is valid until the next call.
// At the body's end it returns io.EOF; where the connection ends before that,
// io.ErrUnexpectedEOF.
func (b *Body) Next() ([]byte, error) {
	for {
		switch b.state {
		case atEnd:
			return nil, io.EOF
		case inData:
			return b.data()
		}
		if err := b.step(); err != nil {
			return nil, err
		}
	}
}

func (b *Body) data() ([]byte, error) {
	if n := b.rd.Buffered(); n == 0 || n == 1 && b.keepsBack() {
		switch err := b.rd.Fill(BulkBuffer); {
		case err == io.EOF && n == 1 && b.Length == UntilClose:
			b.KeepBack = false // the end is read once more, behind the last byte
		case err != nil:
			return nil, b.ending(err)
		}
	}
	piece := b.rd.Unread()
	switch n := int64(len(piece)); {
	case n > b.left:
		piece = piece[:b.left]
	case n < b.left && b.keepsBack():
		piece = piece[:n-1]
	}
	b.rd.Skip(len(piece))
	if b.Length == UntilClose {
		return piece, nil
	}
	if b.left -= int64(len(piece)); b.left == 0 {
		b.state = atEnd
		if b.Length == Chunked {
			b.state = afterChunk
		}
	}
	return piece, nil
}

func (b *Body) keepsBack() bool { return b.KeepBack && b.Length != Chunked && b.left > 1 }

// Kept returns the byte that is kept back, or nothing.
func (b *Body) Kept() []byte {
	if b.state == inData && b.keepsBack() {
		return b.rd.Unread()[:min(b.rd.Buffered(), 1)]
	}
	return nil
}

// ending returns what an error of the connection means for the body.
func (b *Body) ending(err error) error {
	if err != io.EOF {
		return err
	}
	if b.Length == UntilClose {
		b.state = atEnd
		return io.EOF
	}
	return io.ErrUnexpectedEOF
}

// step reads a piece of the chunked framing (RFC 9112 section 7.1). After an error
// of the reader it can be called again.
func (b *Body) step() error {
	if b.state == atTrailers {
		return b.readTrailers()
	}
	line, err := b.line()
	if err != nil {
		return err
	}
	if b.state == afterChunk {
		if len(line) != 0 {
			return errChunkEnd
		}
		b.state = atSize
		return nil
	}
	if b.Lenient {
		line = b.trimSize(line)
	}
	n, ok := parseChunkSize(line)
	if !ok {
		return errChunkSize
	}
	if b.left, b.state = n, inData; n == 0 {
		b.state = atTrailers
	}
	return nil
}

// trimSize cuts off what may follow a chunk's size in a Lenient body. Spaces alone have
// been in use for so long that every parser skips them.
func (b *Body) trimSize(line []byte) []byte {
	line = bytes.TrimRight(line, " ")
	n := len(line)
	line = bytes.TrimRight(line, " \t")
	line = bytes.TrimRight(bytes.TrimSuffix(line, []byte(";")), " \t")
	b.Irregular = b.Irregular || len(line) < n
	return line
}

// line reads one line of the framing, without its end. It must end with CR and
// LF, and hold neither elsewhere.
func (b *Body) line() ([]byte, error) {
	seen := 0
	for {
		p := b.rd.Unread()
		n, err := lineEnd(p, seen, b.state == afterChunk)
		if err == nil && n > maxChunkLine {
			err = errChunkSize
		}
		if err != nil {
			return nil, err
		}
		if n > 0 {
			b.rd.Skip(n)
			return p[:n-2], nil
		}
		if seen = len(p); seen >= maxChunkLine {
			return nil, errChunkSize
		}
		if err := b.rd.Fill(2 * maxChunkLine); err != nil {
			return nil, b.ending(err)
		}
	}
}

// lineEnd returns the length of the line with its end, or 0 if that is not there
// yet. It fails as soon as the line is known to be bad. With empty set, the line
// must be empty.
func lineEnd(p []byte, from int, empty bool) (int, error) {
	for i := max(from-1, 0); i < len(p); i++ {
		switch c := p[i]; {
		case c == '\r' && i+1 == len(p):
			return 0, nil
		case c == '\r' && p[i+1] == '\n':
			return i + 2, nil
		case empty:
			return 0, errChunkEnd
		case !isValue[c]:
			return 0, errChunkSize
		}
	}
	return 0, nil
}

// readTrailers reads the trailer section and the empty line that ends it.
func (b *Body) readTrailers() error {
	line := 0
	for {
		p, checked := b.rd.Unread(), line
		n, err := headEnd(p, &line, false)
		if err != nil || !b.Lenient && checkFields(p[checked:line]) != nil {
			return errTrailer
		}
		if n > 0 {
			b.rd.Skip(n)
			b.state = atEnd
			return b.parseTrailers(p[:n])
		}
		if len(p) >= maxTrailer {
			return errManyTrailers
		}
		if err := b.rd.Fill(2 * maxTrailer); err != nil {
			return b.ending(err)
		}
	}
}

func (b *Body) parseTrailers(p []byte) error {
	for {
		line, rest := b.cutTrailer(p)
		if len(line) == 0 {
			return nil
		}
		p = rest
		f, ok := b.parseTrailer(line)
		if !ok {
			return errTrailer
		}
		if len(b.Trailers) == MaxFields {
			return errManyTrailers
		}
		if trailerAllowed(f.Name) {
			b.Trailers = append(b.Trailers, f)
		}
	}
}

func (b *Body) cutTrailer(p []byte) (line, rest []byte) {
	if !b.Lenient {
		return cutLine(p)
	}
	line, rest, folded := cutUnfolded(p)
	b.Irregular = b.Irregular || folded
	return line, rest
}

func (b *Body) parseTrailer(line []byte) (Field, bool) {
	if !b.Lenient {
		return cutField(line)
	}
	f, spaced, ok := cutResponseField(line)
	b.Irregular = b.Irregular || spaced
	return f, ok
}

// trailerAllowed reports whether a trailer field is passed on. One that frames, routes
// or authorises the message comes too late there, and deceives a recipient that merges
// it into the head (RFC 9110 section 6.5.1).
func trailerAllowed(name []byte) bool {
	if k, _ := kindOf(name); k != Plain {
		return false
	}
	for _, forbidden := range [...]string{"authorization", "cookie", "set-cookie", "content-encoding", "content-range"} {
		if equalFold(name, forbidden) {
			return false
		}
	}
	return true
}
