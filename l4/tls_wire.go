package l4

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"fourseven/internal/loop"
)

// The sizes of TLS records (RFC 8446 section 5, RFC 5246 section 6.2).
const (
	recordHeader  = 5
	recordPayload = 16 << 10                             // plain bytes
	recordMax     = recordHeader + recordPayload + 2<<10 // with all that encryption may add
)

const (
	// tlsPiece is how many plain bytes are encrypted before they are sent: whole records.
	tlsPiece = 2 * recordPayload
	// wireRead is the most that one read of the socket takes.
	wireRead = 64 << 10
	// queueMax bounds what the queue may hold. A peer that asks for new keys again and
	// again without reading the responses would fill it.
	queueMax = 256 << 10
)

// wire is what a tls.Conn reads and writes. It never waits, except for the one fiber
// that there is during a handshake: tls.Conn holds locks while it reads and writes, also
// writes while it reads, and a fiber that waited with a lock would stop its loop.
//
//   - Write appends to a queue, which drain sends.
//   - Read returns what has been received, of one record at a time, and then errNotYet:
//     so tls.Conn's own buffer is empty between two records, and does not grow.
type wire struct {
	raw       *loop.Conn
	in        []byte // received, and not yet read by tls.Conn
	kept      []byte // the memory of in, unless that is borrowed
	left      int    // bytes of the present record that tls.Conn has not read
	out       []byte // to be sent
	handshake bool
	draining  bool // a fiber sends, and waits
}

// errNotYet is a temporary net.Error, after which tls.Conn can be used as before.
var errNotYet net.Error = notYet{}

type notYet struct{}

func (notYet) Error() string   { return "no whole record has arrived" }
func (notYet) Timeout() bool   { return false }
func (notYet) Temporary() bool { return true }

// ErrTruncated is the error of a TLS connection whose stream ended without close_notify.
var ErrTruncated = errors.New("tls: the stream ended without close_notify")

var errQueueFull = errors.New("tls: the peer does not read")

// wireBuffers are buffers for reads of a socket, and for the queue.
var wireBuffers = sync.Pool{New: func() any { return new([wireRead + recordMax]byte) }}

// Read is for tls.Conn.
func (w *wire) Read(p []byte) (int, error) {
	for {
		if n := w.available(); n > 0 {
			n = copy(p, w.in[:n])
			w.in, w.left = w.in[n:], w.left-n
			return n, nil
		}
		if !w.handshake {
			return 0, errNotYet
		}
		if err := w.await(); err != nil {
			return 0, err
		}
	}
}

// available returns how many bytes of the present record can be read. Once the handshake
// is over, that is nothing before all of it is there.
func (w *wire) available() int {
	if w.left == 0 {
		if len(w.in) < recordHeader {
			return 0
		}
		w.left = recordHeader + int(w.in[3])<<8 + int(w.in[4])
		if w.left > recordMax {
			w.left = recordHeader // which tls.Conn refuses
		}
	}
	if len(w.in) < w.left && !w.handshake {
		return 0
	}
	return min(len(w.in), w.left)
}

// await waits for bytes in a handshake, after sending the bytes that the peer waits for.
func (w *wire) await() error {
	if err := w.drain(); err != nil {
		return err
	}
	w.raw.AwaitReadable()
	buf := wireBuffers.Get().(*[wireRead + recordMax]byte)
	defer wireBuffers.Put(buf)
	_, err := w.fill(buf[:], 4<<10)
	w.keep()
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// fill moves received bytes into buf, and reads most bytes more from the socket without
// waiting. It returns how many there were. keep must be called before buf is used again.
func (w *wire) fill(buf []byte, most int) (int, error) {
	have := copy(buf, w.in)
	n, err := w.raw.TryRead(buf[have:min(have+most, len(buf))])
	w.in = buf[:have+n]
	return n, err
}

// keep moves received bytes out of a borrowed buffer.
func (w *wire) keep() {
	w.kept = append(w.kept[:0], w.in...)
	w.in = w.kept
}

// release frees the memory for received bytes, if there are none.
func (w *wire) release() {
	if len(w.in) == 0 {
		w.in, w.kept = nil, nil
	}
}

// Write is for tls.Conn.
func (w *wire) Write(p []byte) (int, error) {
	if len(w.out)+len(p) > queueMax {
		return 0, errQueueFull
	}
	if w.out == nil {
		w.out = wireBuffers.Get().(*[wireRead + recordMax]byte)[:0]
	}
	w.out = append(w.out, p...)
	return len(p), nil
}

// drain sends the queue, and waits for room.
func (w *wire) drain() error {
	if w.draining {
		return nil // by the fiber that writes, which sends this, too
	}
	w.draining = true
	defer func() { w.draining = false }()
	for len(w.out) > 0 {
		out := w.out
		w.out = nil
		_, err := w.raw.Write(out)
		recycle(out)
		if err != nil {
			return err
		}
	}
	return nil
}

// tryDrain sends what there is room for. The rest goes out with the next write.
func (w *wire) tryDrain() {
	if w.draining || len(w.out) == 0 {
		return
	}
	n := w.raw.TryWrite(w.out)
	if n == len(w.out) {
		recycle(w.out)
		w.out = nil
		return
	}
	w.out = w.out[:copy(w.out, w.out[n:])]
}

// recycle gives a queue's memory back. One that has grown is left to the collector.
func recycle(out []byte) {
	if cap(out) == wireRead+recordMax {
		wireBuffers.Put((*[wireRead + recordMax]byte)(out[:wireRead+recordMax]))
	}
}

// The other methods of net.Conn. A tls.Conn's deadlines and end are those of the TLSConn.

func (w *wire) Close() error                     { return nil }
func (w *wire) LocalAddr() net.Addr              { return w.raw.LocalAddr() }
func (w *wire) RemoteAddr() net.Addr             { return w.raw.RemoteAddr() }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
