package l7

import (
	"io"
	"strconv"
	"sync/atomic"
)

// chunkRoom is the most that a chunk's size line and line end take in a buffer.
const chunkRoom = 16

// writer gathers what goes to one side, so that a head and a small body leave in
// one write. It belongs to one goroutine at a time.
type writer struct {
	conn io.Writer
	// moved is called after each write that got through. If nil, nothing is.
	moved func()
	// early may have sent the first bytes. If nil, nobody has.
	early *early
	count *atomic.Int64 // of the bytes sent; nil if nobody counts

	buf  []byte
	sent bool  // at least one byte has left since the last start
	err  error // of the last write, since the last start
}

// start empties the writer, and gives it a buffer if it has none.
func (w *writer) start() {
	if w.buf == nil {
		w.buf = newBuffer(smallBuffer)
	}
	w.buf, w.sent, w.err = w.buf[:0], false, nil
}

func (w *writer) release() {
	freeBuffer(w.buf)
	w.buf = nil
}

// flush sends what has been gathered.
func (w *writer) flush() error {
	err := w.send(w.buf)
	w.buf = w.buf[:0]
	return err
}

func (w *writer) send(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	ahead := len(p)
	if w.early != nil {
		p = w.early.cut(p)
	}
	ahead -= len(p)
	n, err := w.conn.Write(p)
	w.err = err
	if w.count != nil {
		w.count.Add(int64(ahead + n))
	}
	if n > 0 {
		w.sent = true
		if w.moved != nil {
			w.moved()
		}
	}
	return err
}

// write adds p, and sends when there is much to send.
func (w *writer) write(p []byte) error {
	if len(w.buf)+len(p) <= cap(w.buf) {
		w.buf = append(w.buf, p...)
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	if len(p) < cap(w.buf) {
		w.buf = append(w.buf, p...)
		return nil
	}
	return w.send(p)
}

// chunk adds p as chunks of a chunked body (RFC 9112 section 7.1). An empty p
// adds nothing, as an empty chunk would end the body.
func (w *writer) chunk(p []byte) error {
	for len(p) > 0 {
		room := cap(w.buf) - len(w.buf) - chunkRoom
		if room < len(p) && room < smallBuffer/2 {
			if err := w.flush(); err != nil {
				return err
			}
			w.widen(len(p))
			room = cap(w.buf) - chunkRoom
		}
		n := min(len(p), room)
		w.buf = appendChunk(w.buf, p[:n])
		p = p[n:]
	}
	return nil
}

// appendChunk appends one chunk. p must not be empty.
func appendChunk(b, p []byte) []byte {
	b = strconv.AppendInt(b, int64(len(p)), 16)
	b = append(b, "\r\n"...)
	b = append(b, p...)
	return append(b, "\r\n"...)
}

// widen changes the empty buffer for a bulk one if n bytes do not fit it.
func (w *writer) widen(n int) {
	if n+chunkRoom <= cap(w.buf) || cap(w.buf) >= bulkBuffer {
		return
	}
	w.release()
	w.buf = newBuffer(bulkBuffer)[:0]
}

// appendLastChunk ends a chunked body.
func appendLastChunk(b []byte, trailers []field) []byte {
	b = append(b, "0\r\n"...)
	for i := range trailers {
		b = append(append(b, trailers[i].line...), "\r\n"...)
	}
	return append(b, "\r\n"...)
}
