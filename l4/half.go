package l4

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// bufferSize is what one read of a small message takes. A full buffer means
	// bulk.
	bufferSize = 16 << 10
	// bulkMin is how many waiting bytes are worth a splice's two system calls and
	// a pipe.
	bulkMin = 32 << 10
	// bulkMax bounds one splice, so that counters grow while a transfer lives.
	bulkMax = 1 << 20
)

// The pauses between two looks at a queue that is to run empty.
const (
	minFlushPause = time.Millisecond
	maxFlushPause = 50 * time.Millisecond
)

// buffers are held only while bytes move.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// half is one direction of a relay. It waits for readability without a buffer,
// moves small messages through a pooled one, and hands bulk to splice.
type half struct {
	relay    *relay
	dst, src *side
	splices  bool               // dst and src are such that ReadFrom splices
	readable func(uintptr) bool // h.move, bound once
	writable func(uintptr) bool // h.push, likewise
	moved    atomic.Int64
	done     atomic.Bool // the source ended and the destination was told

	parking

	// The rest belongs to the goroutine of run.
	bound  bool  // the destination's send queue is bounded
	bulk   int   // bytes that wait for a splice; 0 for small messages
	wasOn  bool  // the last move was a splice: look at the queue before reading
	result state // why move returned true
	limit  io.LimitedReader
	out    []byte // what is still to be written
	outErr error  // why it cannot be
}

// state is why a direction stopped moving.
type state uint8

const (
	moving state = iota
	ended        // end of the source's stream
	broke        // the source broke
	stuck        // the destination broke
	closed       // by a cut or by the other half
)

func (h *half) init(r *relay, dst, src *side) {
	h.relay, h.dst, h.src = r, dst, src
	h.readable, h.writable = h.move, h.push
	_, toTCP := dst.stream.(*net.TCPConn)
	h.splices = toTCP
}

func (h *half) other() *half {
	if h == &h.relay.up {
		return &h.relay.down
	}
	return &h.relay.up
}

// run moves bytes until the direction is over, and does what follows, or until it
// is parked: then it is called anew.
func (h *half) run() {
	for h.result == moving {
		err := h.src.raw.Read(h.readable)
		switch {
		case err == nil && h.result == moving:
			h.splice()
		case errors.Is(err, os.ErrDeadlineExceeded):
			if h.park() {
				return
			}
		case err != nil:
			h.result = closed
		}
	}
	h.conclude()
	if r := h.relay; r.running.Add(-1) == 0 {
		r.finish()
	}
}

func (h *half) conclude() {
	switch h.result {
	case ended:
		h.passEnd()
	case broke:
		h.relay.broke(h)
	case stuck:
		h.relay.blocked(h)
	}
}

// move is called while the source may be readable. It returns false to wait for
// more, true if there is bulk to splice or the direction is over.
//
// It stays inside one RawConn.Read while messages are small: the poller keeps
// the readiness that comes meanwhile, so that nothing is set up per message.
func (h *half) move(fd uintptr) bool {
	for {
		if h.wasOn {
			if h.bulk = waiting(fd); h.bulk >= bulkMin {
				capReceiveBuffer(fd)
				h.boundSend()
				return true
			}
			h.wasOn = false
		}
		buf := buffers.Get().(*[bufferSize]byte)
		n, err := Recv(fd, buf[:])
		if n > 0 {
			err = h.write(buf[:n])
			h.wasOn = h.splices && n == bufferSize
		}
		buffers.Put(buf)
		switch {
		case n > 0 && err != nil:
			h.result = stuck
		case n == 0 && err == nil:
			h.result = ended
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			h.result = broke
		}
		if h.result != moving {
			return true
		}
	}
}

// write notes a failure before it is over, for endIsBreak.
func (h *half) write(b []byte) error {
	h.dst.written.Store(false)
	h.out, h.outErr = b, nil
	err := h.dst.raw.Write(h.writable)
	h.out = nil // it is the buffer's
	if err == nil {
		err = h.outErr
	}
	if err != nil {
		h.dst.broken.Store(true)
	}
	h.dst.written.Store(true)
	return err
}

// push is called while the destination may be writable. It returns false to wait
// for room.
func (h *half) push(fd uintptr) bool {
	for len(h.out) > 0 {
		n, err := Send(fd, h.out)
		h.moved.Add(int64(n))
		h.out = h.out[n:]
		if err == syscall.EAGAIN {
			return false
		}
		if err != nil {
			h.outErr = err
			return true
		}
	}
	return true
}

// splice moves the bytes that wait. It never waits for more of them, which would
// hold a pipe: it was told how many there are.
func (h *half) splice() {
	h.limit = io.LimitedReader{R: h.src.stream, N: int64(min(h.bulk, bulkMax))}
	h.dst.written.Store(false)
	// On the bare TCPConns: any wrapper here switches splice off.
	n, err := h.dst.stream.(*net.TCPConn).ReadFrom(&h.limit)
	h.moved.Add(n)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) { // askToPark, and too late
		// The bytes were there to be read, so it was the writing that failed.
		h.dst.broken.Store(true)
		h.result = stuck
	}
	h.dst.written.Store(true)
}

// boundSend bounds the destination's send queue when bulk begins. A client's is
// bounded by the listener's option.
func (h *half) boundSend() {
	if !h.bound && h == &h.relay.up {
		_ = h.dst.raw.Control(boundSendQueue)
	}
	h.bound = true
}

// passEnd tells the destination that the source has ended.
func (h *half) passEnd() {
	if h.endIsBreak() {
		h.relay.broke(h)
		return
	}
	// The second end needs no telling: closing says it.
	if !h.other().done.Load() {
		h.dst.shut.Store(true)
		if err := h.dst.CloseWrite(); err != nil {
			h.relay.blocked(h)
			return
		}
	}
	h.relay.ended(h)
}

// endIsBreak reports whether what read as an end of stream is a reset. The kernel
// tells of a reset once, and it may have told the other half's write.
func (h *half) endIsBreak() bool {
	if h.src.written.Load() || h.src.shut.Load() {
		return h.src.broken.Load()
	}
	// A write is under way: it may have been told, and not said so yet.
	gone := false
	_ = h.src.raw.Control(func(fd uintptr) { gone = connectionGone(fd) })
	// An orderly close looks the same once it was told the end meanwhile.
	return gone && !h.src.shut.Load() || h.src.broken.Load()
}

// await waits until the source breaks after its end of stream, or is closed.
func (h *half) await() {
	broken := func(fd uintptr) bool { return socketError(fd) != nil }
	err := h.src.raw.Read(broken)
	for errors.Is(err, os.ErrDeadlineExceeded) { // askToPark, and too late
		_ = h.src.SetReadDeadline(time.Time{})
		err = h.src.raw.Read(broken)
	}
	if err == nil {
		h.relay.broke(h)
	}
}

// flush waits until the destination's kernel has acknowledged all that was
// written, because a reset throws away what has not left. The relay's time
// limits end it by cutting the relay.
func (h *half) flush() {
	for pause := minFlushPause; h.unacked() > 0; pause = min(2*pause, maxFlushPause) {
		time.Sleep(pause)
	}
}

// unacked returns the bytes in the destination's send queue, 0 once it is closed
// or broken.
func (h *half) unacked() (n int) {
	_ = h.dst.raw.Control(func(fd uintptr) { n = unacknowledged(fd) })
	return n
}
