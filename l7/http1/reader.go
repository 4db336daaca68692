package http1

import (
	"io"
	"sync/atomic"
)

// cacheLine is where a read begins behind one unread byte: the system copies faster to
// there than to an odd address.
const cacheLine = 64

// Reader buffers what a connection receives. It belongs to one goroutine at a time.
// It holds no buffer before the first read and after Release.
type Reader struct {
	Conn io.Reader
	// Before is called before each read of the connection, which may block: it
	// sends what was gathered for the other side. Its error ends the read. If nil,
	// nothing is called.
	Before func() error
	// Await waits until there is something to read, or a reason not to. If it is not nil,
	// a Reader without a buffer takes one only after that.
	Await func()
	Count *atomic.Int64 // of the bytes read; nil to count nothing
	Stock *Stock        // of the goroutine's event loop; nil for the pools that all share

	buf  []byte
	r, w int  // what is unread is buf[r:w]
	full bool // the last read filled the buffer: more is under way
}

// Unread returns what has been read from the connection and not been used. The
// slice is valid until the next call of Fill.
func (rd *Reader) Unread() []byte { return rd.buf[rd.r:rd.w] }

// Buffered returns the number of unread bytes.
func (rd *Reader) Buffered() int { return rd.w - rd.r }

// Skip marks n unread bytes as read.
func (rd *Reader) Skip(n int) { rd.r += n }

// Filled reports whether the last read filled the buffer: there may be much more to read.
func (rd *Reader) Filled() bool { return rd.full }

// Put adds bytes that were read from the connection by others, behind what is unread. max
// is that of Fill.
func (rd *Reader) Put(p []byte, max int) error {
	if err := rd.makeRoom(max); err != nil {
		return err
	}
	if len(p) > len(rd.buf)-rd.w {
		return errNoRoom
	}
	rd.w += copy(rd.buf[rd.w:], p)
	return nil
}

// Fill reads at least one byte more, behind what is unread. A buffer that is
// full of unread bytes grows up to max, then it is an error.
func (rd *Reader) Fill(max int) error {
	if rd.buf != nil || rd.Await == nil {
		if err := rd.makeRoom(max); err != nil {
			return err
		}
	}
	if rd.Before != nil {
		if err := rd.Before(); err != nil {
			return err
		}
	}
	if rd.buf == nil {
		rd.Await()
		rd.buf = rd.Stock.get(SmallBuffer)
	}
	n, err := rd.Conn.Read(rd.buf[rd.w:])
	rd.w += n
	rd.full = rd.w == len(rd.buf)
	if rd.Count != nil {
		rd.Count.Add(int64(n))
	}
	if n > 0 {
		return nil // an error comes back at the next read
	}
	return err
}

// makeRoom makes sure that there is room in the buffer to read into.
func (rd *Reader) makeRoom(max int) error {
	switch rd.Buffered() {
	case 0:
		rd.restart(0)
	case 1: // as Body.KeepBack leaves it
		rd.restart(cacheLine - 1)
	}
	switch {
	case rd.buf == nil:
		rd.buf = rd.Stock.get(SmallBuffer)
	case rd.w < len(rd.buf):
	case rd.r > 0:
		rd.w = copy(rd.buf, rd.Unread())
		rd.r = 0
	case len(rd.buf) >= max:
		return errNoRoom
	default:
		rd.moveTo(rd.Stock.get(2*len(rd.buf)), 0)
	}
	return nil
}

// restart moves what is unread to that place in the buffer, which becomes a bulk one if
// the last read filled it.
func (rd *Reader) restart(at int) {
	if rd.full && len(rd.buf) < BulkBuffer {
		rd.moveTo(rd.Stock.get(BulkBuffer), at)
		return
	}
	n := copy(rd.buf[at:], rd.Unread())
	rd.r, rd.w = at, at+n
}

func (rd *Reader) moveTo(buf []byte, at int) {
	n := copy(buf[at:], rd.Unread())
	rd.Release()
	rd.buf, rd.r, rd.w = buf, at, at+n
}

// Release frees the buffer, with all that is unread in it.
func (rd *Reader) Release() {
	rd.Stock.put(rd.buf)
	rd.buf, rd.r, rd.w, rd.full = nil, 0, 0, false
}
