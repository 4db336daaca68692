package l7

import (
	"bytes"
	"errors"
	"io"
	"math"
)

var errChunk = errors.New("malformed chunk")

// maxChunkLine bounds the size line of a chunk with its extensions, and maxTrailer
// the trailer section.
const (
	maxChunkLine = 1 << 10
	maxTrailer   = 16 << 10
)

// body reads one message's body from a reader, without its framing.
type body struct {
	rd *reader
	// left is what remains of the body or of the present chunk.
	left int64
	// length is the whole body's, or chunked, or untilClose.
	length int64
	state  bodyState
	// padded says that spaces may stand behind a chunk's size, as some servers
	// write them. They are not passed on. In requests they are refused.
	padded bool
	// trailers are the checked fields behind a chunked body. They are valid until
	// the reader is used again.
	trailers []field
}

type bodyState uint8

const (
	inData     bodyState = iota // left bytes of data come next
	atSize                      // a chunk's size line comes next
	afterChunk                  // the line end behind a chunk's data comes next
	atTrailers                  // the trailer section comes next
	atEnd
)

// start begins a body of that length.
func (b *body) start(rd *reader, length int64) {
	*b = body{rd: rd, length: length, left: length, padded: b.padded, trailers: b.trailers[:0]}
	switch {
	case length == chunked:
		b.state, b.left = atSize, 0
	case length == untilClose:
		b.left = math.MaxInt64
	case length == 0:
		b.state = atEnd
	}
}

// whole reports whether a body of known length is in the reader's buffer.
func (b *body) whole() bool { return b.length >= 0 && b.left <= int64(b.rd.buffered()) }

func (b *body) ended() bool { return b.state == atEnd }

// next returns the next piece of the body, which is valid until the next call.
// At the body's end it returns io.EOF; where the connection ends before that,
// io.ErrUnexpectedEOF.
func (b *body) next() ([]byte, error) {
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

func (b *body) data() ([]byte, error) {
	if b.rd.buffered() == 0 {
		if err := b.rd.fill(bulkBuffer); err != nil {
			return nil, b.ending(err)
		}
	}
	piece := b.rd.unread()
	if int64(len(piece)) > b.left {
		piece = piece[:b.left]
	}
	b.rd.skip(len(piece))
	if b.length == untilClose {
		return piece, nil
	}
	if b.left -= int64(len(piece)); b.left == 0 {
		b.state = atEnd
		if b.length == chunked {
			b.state = afterChunk
		}
	}
	return piece, nil
}

// ending says what an error of the connection means for the body.
func (b *body) ending(err error) error {
	if err != io.EOF {
		return err
	}
	if b.length == untilClose {
		b.state = atEnd
		return io.EOF
	}
	return io.ErrUnexpectedEOF
}

// step reads a piece of the chunked framing (RFC 9112 section 7.1). After an error
// of the reader it can be called again.
func (b *body) step() error {
	if b.state == atTrailers {
		return b.readTrailers()
	}
	line, err := b.line()
	if err != nil {
		return err
	}
	if b.state == afterChunk {
		if len(line) != 0 {
			return errChunk
		}
		b.state = atSize
		return nil
	}
	if b.padded {
		line = bytes.TrimRight(line, " ")
	}
	n, ok := parseChunkSize(line)
	if !ok {
		return errChunk
	}
	if b.left, b.state = n, inData; n == 0 {
		b.state = atTrailers
	}
	return nil
}

// line reads one line of the framing, without its end. It must end with CR and
// LF, and hold neither elsewhere.
func (b *body) line() ([]byte, error) {
	seen := 0
	for {
		p := b.rd.unread()
		n, err := lineEnd(p, seen, b.state == afterChunk)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			b.rd.skip(n)
			return p[:n-2], nil
		}
		if seen = len(p); seen >= maxChunkLine {
			return nil, errChunk
		}
		if err := b.rd.fill(2 * maxChunkLine); err != nil {
			return nil, b.ending(err)
		}
	}
}

// lineEnd returns the length of the line with its end, or 0 if that is not there
// yet. It fails as soon as the line is known to be bad: empty says that it must
// hold nothing.
func lineEnd(p []byte, from int, empty bool) (int, error) {
	for i := max(from-1, 0); i < len(p); i++ {
		switch c := p[i]; {
		case c == '\r' && i+1 == len(p):
			return 0, nil
		case c == '\r' && p[i+1] == '\n':
			return i + 2, nil
		case empty || !isValue[c]:
			return 0, errChunk
		}
	}
	return 0, nil
}

// readTrailers reads the trailer section and the empty line that ends it.
func (b *body) readTrailers() error {
	line := 0
	for {
		p, checked := b.rd.unread(), line
		n, err := headEnd(p, &line, false)
		if err != nil || checkFields(p[checked:line]) != nil {
			return errChunk
		}
		if n > 0 {
			b.rd.skip(n)
			b.state = atEnd
			return b.parseTrailers(p[:n])
		}
		if len(p) >= maxTrailer {
			return errChunk
		}
		if err := b.rd.fill(2 * maxTrailer); err != nil {
			return b.ending(err)
		}
	}
}

func (b *body) parseTrailers(p []byte) error {
	for {
		var line []byte
		if line, p = cutLine(p); len(line) == 0 {
			return nil
		}
		f, ok := cutField(line)
		if !ok {
			return errChunk
		}
		if trailerAllowed(f.name) {
			b.trailers = append(b.trailers, f)
		}
	}
}

// trailerAllowed keeps out what frames, routes or authorises a message: in a
// trailer it comes too late, and a recipient that merges it into the head is
// fooled (RFC 9110 section 6.5.1).
func trailerAllowed(name []byte) bool {
	if k, _ := kindOf(name); k != plain {
		return false
	}
	for _, forbidden := range [...]string{"authorization", "cookie", "set-cookie", "content-encoding", "content-range"} {
		if equalFold(name, forbidden) {
			return false
		}
	}
	return true
}
