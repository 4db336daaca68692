package l4

import (
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"fourseven/health"
)

// stream is a connection whose two directions end apart: *net.TCPConn or
// *net.UnixConn.
type stream interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// relay moves bytes between a client and a backend until both directions have
// ended or it is cut. It owns both connections.
//
//   - An end of stream is passed on as CloseWrite; the other direction goes on.
//   - A reset is passed on as a reset, after the bytes that came before it, so
//     that truncated data never looks complete. A clean close of our own would
//     also leave a socket in TIME_WAIT for each.
//   - A direction that waits holds neither a buffer nor a pipe, and after a while
//     no goroutine.
type relay struct {
	client, backend side
	up, down        half            // client to backend, backend to client
	of              *health.Backend // whose connection it is; nil if nobody has said

	ending   atomic.Pointer[Ending] // the first cause wins
	running  atomic.Int32           // halves that have not returned
	finished func(Ending)           // called once both have
	lot      *parkingLot            // where the halves wait while idle

	// The rest belongs to Relays.mu.
	expires  time.Time // at MaxAge; zero without one
	activity activity
	reported traffic
	tuning   tuning
}

// side is one of the two connections.
type side struct {
	stream
	raw     syscall.RawConn
	reset   Ending      // what it is called if this side breaks
	broken  atomic.Bool // it broke: nothing more can be written to it
	written atomic.Bool // no write to it is under way
	shut    atomic.Bool // it was told the end of the other's stream, or is being told

	patient bool // its user timeout is lifted; belongs to Relays.mu
}

func newRelay(client, backend stream) (*relay, error) {
	r := &relay{}
	r.client.stream, r.client.reset = client, ClientReset
	r.backend.stream, r.backend.reset = backend, BackendReset
	r.client.written.Store(true)
	r.backend.written.Store(true)
	for _, s := range []*side{&r.client, &r.backend} {
		raw, err := s.SyscallConn()
		if err != nil {
			return nil, err
		}
		s.raw = raw
	}
	r.up.init(r, &r.backend, &r.client)
	r.down.init(r, &r.client, &r.backend)
	return r, nil
}

// start begins both directions and returns. Each gets a goroutine of its own, a
// new one, because the stack of one that has dialled is large. The last one to
// end calls finished.
func (r *relay) start() {
	r.running.Store(2)
	go r.up.run()
	go r.down.run()
}

// halfClosed reports whether one direction is over.
func (r *relay) halfClosed() bool {
	return r.up.done.Load() || r.down.done.Load() || r.over()
}

// received returns how many bytes the client has sent, sent how many it was
// sent. Both grow while the relay lives.
func (r *relay) received() int64 { return r.up.moved.Load() }
func (r *relay) sent() int64     { return r.down.moved.Load() }

// cut ends both directions at once; the peers see a reset. The ending stands
// unless there was one before.
func (r *relay) cut(why Ending) {
	r.ending.CompareAndSwap(nil, &why)
	// Closing a connection waits for whoever uses it, and a half that writes to one
	// uses the other: the writes have to end first.
	_ = r.client.SetWriteDeadline(LongAgo)
	_ = r.backend.SetWriteDeadline(LongAgo)
	Reset(r.client.stream)
	Reset(r.backend.stream)
	r.up.wake()
	r.down.wake()
}

// over reports whether the relay was cut.
func (r *relay) over() bool { return r.ending.Load() != nil }

// ended is called by a half whose source ended and whose destination has been
// told. The second one closes both connections.
func (r *relay) ended(h *half) {
	h.done.Store(true)
	if h.src.broken.Load() {
		r.broke(h) // broken after the other half looked at done
		return
	}
	if !h.other().done.Load() {
		h.await() // until the source breaks or the other half closes it
		return
	}
	why := EOF
	r.ending.CompareAndSwap(nil, &why)
	_ = r.client.Close()
	_ = r.backend.Close()
}

// broke is called by a half whose source is broken: what came before the break
// is delivered, then both connections are reset.
func (r *relay) broke(h *half) {
	why := h.src.reset
	first := r.ending.CompareAndSwap(nil, &why)
	if first && !h.dst.broken.Load() {
		h.flush()
	}
	r.cut(why)
}

// finish is called by the last half to end.
func (r *relay) finish() {
	why := r.ending.Load()
	if why == nil { // neither half found the other over: no such case is known
		r.cut(BackendReset)
		why = r.ending.Load()
	}
	r.finished(*why)
}

// blocked is called by a half whose destination is broken. What the destination
// sent before it broke is the other half's to deliver, and that ends the relay
// then; unless the other half is over, or its destination is broken too.
func (r *relay) blocked(h *half) {
	h.dst.broken.Store(true)
	if h.other().done.Load() || h.src.broken.Load() {
		r.cut(h.dst.reset)
	}
}
