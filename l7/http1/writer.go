package http1

import (
	"io"
	"strconv"
	"sync/atomic"
)

// chunkRoom is the most that a chunk's size line and line end take in a buffer.
const chunkRoom = 16

// Writer gathers what goes to one side, so that a head and a small body leave in
// one write. It belongs to one goroutine at a time. It holds no buffer before Start
// and after Release.
type Writer struct {
	Conn io.Writer
	// Moved is called after each write that sent something. If nil, nothing is
	// called.
	Moved func()
	Count *atomic.Int64 // of the bytes sent; nil to count nothing
	Stock *Stock        // of the goroutine's event loop; nil for the pools that all share

	Buf  []byte // gathered so far; append to it
	Sent bool   // at least one byte was sent since the last Start
	Err  error  // of the last write since the last Start
}

// Start empties the writer, and gives it a buffer if it has none.
func (w *Writer) Start() {
	if w.Buf == nil {
		w.Buf = w.Stock.get(SmallBuffer)
	}
	w.Buf, w.Sent, w.Err = w.Buf[:0], false, nil
}

// Release frees the buffer, with what is gathered in it.
func (w *Writer) Release() {
	w.Stock.put(w.Buf)
	w.Buf = nil
}

// Flush sends what has been gathered.
func (w *Writer) Flush() error {
	err := w.Send(w.Buf)
	w.Buf = w.Buf[:0]
	return err
}

// FlushBut sends what has been gathered, but for its last byte, which stays. It returns
// that byte.
func (w *Writer) FlushBut() (last byte, err error) {
	n := len(w.Buf) - 1
	err = w.Send(w.Buf[:n])
	w.Buf[0] = w.Buf[n]
	w.Buf = w.Buf[:1]
	return w.Buf[0], err
}

// Send sends p at once. What is gathered stays.
func (w *Writer) Send(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	n, err := w.Conn.Write(p)
	w.Err = err
	if w.Count != nil {
		w.Count.Add(int64(n))
	}
	if n > 0 {
		w.Sent = true
		if w.Moved != nil {
			w.Moved()
		}
	}
	return err
}

// Write adds p, and sends when there is much to send. A head and a piece that came in one
// small buffer leave in one write, although the head may have grown.
func (w *Writer) Write(p []byte) error {
	if len(p) <= SmallBuffer {
		w.widen(len(w.Buf) + len(p))
		if len(w.Buf)+len(p) <= cap(w.Buf) {
			w.Buf = append(w.Buf, p...)
			return nil
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(p) <= SmallBuffer {
		w.Buf = append(w.Buf, p...)
		return nil
	}
	return w.Send(p)
}

// Chunk adds p as chunks of a chunked body (RFC 9112 section 7.1). An empty p
// adds nothing, as an empty chunk would end the body.
func (w *Writer) Chunk(p []byte) error {
	for len(p) > 0 {
		room := cap(w.Buf) - len(w.Buf) - chunkRoom
		if room < len(p) && room < SmallBuffer/2 {
			if err := w.Flush(); err != nil {
				return err
			}
			w.widen(len(p) + chunkRoom)
			room = cap(w.Buf) - chunkRoom
		}
		n := min(len(p), room)
		w.Buf = AppendChunk(w.Buf, p[:n])
		p = p[n:]
	}
	return nil
}

// AppendChunk appends one chunk. p must not be empty.
func AppendChunk(b, p []byte) []byte {
	b = strconv.AppendInt(b, int64(len(p)), 16)
	b = append(b, "\r\n"...)
	b = append(b, p...)
	return append(b, "\r\n"...)
}

// widen changes the buffer for a bulk one if it holds fewer than n bytes.
func (w *Writer) widen(n int) {
	if n <= cap(w.Buf) || cap(w.Buf) >= BulkBuffer {
		return
	}
	bulk := append(w.Stock.get(BulkBuffer)[:0], w.Buf...)
	w.Release()
	w.Buf = bulk
}

// AppendLastChunk ends a chunked body.
func AppendLastChunk(b []byte, trailers []Field) []byte {
	b = append(b, "0\r\n"...)
	for i := range trailers {
		b = append(append(b, trailers[i].Line...), "\r\n"...)
	}
	return append(b, "\r\n"...)
}
