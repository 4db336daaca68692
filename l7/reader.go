package l7

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// The two sizes of pooled buffers: a small one holds nearly every head and small
// body; a connection whose reads fill it up changes to a bulk one.
const (
	smallBuffer = 4 << 10
	bulkBuffer  = 32 << 10
)

var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	bulkBuffers  = sync.Pool{New: func() any { return new([bulkBuffer]byte) }}
)

// newBuffer returns a buffer of at least n bytes, from a pool if one fits.
func newBuffer(n int) []byte {
	switch {
	case n <= smallBuffer:
		return smallBuffers.Get().(*[smallBuffer]byte)[:]
	case n <= bulkBuffer:
		return bulkBuffers.Get().(*[bulkBuffer]byte)[:]
	}
	return make([]byte, n)
}

// freeBuffer gives a buffer back. Nobody may hold a slice of it any longer.
func freeBuffer(b []byte) {
	switch cap(b) {
	case smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case bulkBuffer:
		bulkBuffers.Put((*[bulkBuffer]byte)(b[:bulkBuffer]))
	}
}

var errNoRoom = errors.New("buffer full")

// reader buffers what one side sends. It belongs to one goroutine at a time. It
// holds no buffer before the first read and after release.
type reader struct {
	conn io.Reader
	// before is called ahead of each read of the connection, which may wait: what
	// was meant for the other side goes out first, so nothing is held back.
	// If nil, nothing is called.
	before func() error
	count  *atomic.Int64 // of the bytes read; nil if nobody counts

	buf  []byte
	r, w int  // what is unread is buf[r:w]
	full bool // the last read filled the buffer: more is under way
}

// unread returns what has been read from the connection and not been used. The
// slice is valid until the next call of fill.
func (rd *reader) unread() []byte { return rd.buf[rd.r:rd.w] }

func (rd *reader) buffered() int { return rd.w - rd.r }

func (rd *reader) skip(n int) { rd.r += n }

// fill reads at least one byte more, behind what is unread. A buffer that is
// full of unread bytes grows up to max, then the error is errNoRoom.
func (rd *reader) fill(max int) error {
	if err := rd.makeRoom(max); err != nil {
		return err
	}
	if rd.before != nil {
		if err := rd.before(); err != nil {
			return err
		}
	}
	n, err := rd.conn.Read(rd.buf[rd.w:])
	rd.took(n)
	if n > 0 {
		return nil // an error comes back at the next read
	}
	return err
}

// took notes that n bytes were read into the buffer.
func (rd *reader) took(n int) {
	rd.w += n
	rd.full = rd.w == len(rd.buf)
	if rd.count != nil {
		rd.count.Add(int64(n))
	}
}

func (rd *reader) makeRoom(max int) error {
	if rd.r == rd.w {
		rd.r, rd.w = 0, 0
		if rd.full && len(rd.buf) < bulkBuffer {
			rd.release()
			rd.buf = newBuffer(bulkBuffer)
		}
	}
	switch {
	case rd.buf == nil:
		rd.buf = newBuffer(smallBuffer)
	case rd.w < len(rd.buf):
	case rd.r > 0:
		rd.w = copy(rd.buf, rd.unread())
		rd.r = 0
	case len(rd.buf) >= max:
		return errNoRoom
	default:
		rd.grow()
	}
	return nil
}

func (rd *reader) grow() {
	bigger := newBuffer(2 * len(rd.buf))
	n := copy(bigger, rd.unread())
	rd.release()
	rd.buf, rd.w = bigger, n
}

// release gives the buffer back, with all that is unread in it.
func (rd *reader) release() {
	freeBuffer(rd.buf)
	rd.buf, rd.r, rd.w, rd.full = nil, 0, 0, false
}
