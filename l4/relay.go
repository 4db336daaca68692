package l4

import (
	"errors"
	"io"
	"net"
	"sync"

	"fourseven/health"
	"fourseven/internal/loop"
)

// relay moves bytes between a client and a backend of one loop until both directions
// have ended or it is cut. It owns both connections.
//
//   - An end of stream is passed on as CloseWrite; the other direction goes on.
//   - A reset is passed on as a reset, after the bytes that came before it, so
//     that truncated data never looks complete. A clean close of our own would
//     also leave a socket in TIME_WAIT for each.
//   - A direction that waits holds neither a fiber nor a buffer nor a pipe.
//
// All of it belongs to the loop, but for the counters of the connections.
type relay struct {
	client, backend side
	of              *health.Backend // whose connection it is; nil if not known

	why      Ending       // the first cause; empty as long as nothing is wrong
	finished func(Ending) // called once both connections are closed, if there is no session

	ses    *session // whose relay it is; nil for an upgraded connection
	number uint64   // of the relays of its loop
	listed int64    // bytes moved at the last list

	set      *relaySet // that it is in
	place    int32     // there; negative once it is over
	ended    int8      // directions whose end has been passed on
	expires  moment    // at MaxAge; zero without one
	activity activity
	reported traffic
	tuning   tuning
}

// side is one of the two connections.
type side struct {
	Conn
	before int64 // written before the relay began
}

// bare returns the loop's connection.
func (s *side) bare() *loop.Conn { return bare(s.Conn) }

// plain reports whether there is no TLS on the connection.
func (s *side) plain() bool { _, ok := s.Conn.(*loop.Conn); return ok }

func (r *relay) init(client, backend Conn, of *health.Backend) {
	r.client = side{Conn: client, before: client.BytesWritten()}
	r.backend = side{Conn: backend, before: backend.BytesWritten()}
	r.of = of
}

// received returns how many bytes of the client have been passed on, sent how many
// it was sent. Both grow while bytes move. Any goroutine may call them.
func (r *relay) received() int64 { return r.backend.BytesWritten() - r.backend.before }
func (r *relay) sent() int64     { return r.client.BytesWritten() - r.client.before }

// start begins both directions.
func (r *relay) start() {
	r.wait(&r.client, &r.backend)
	r.wait(&r.backend, &r.client)
}

// wait leaves small messages to the loop, and has a fiber copy what is more.
func (r *relay) wait(src, dst *side) {
	if src.plain() && dst.plain() {
		src.bare().Forward(dst.bare(), func() { r.copy(src, dst) })
		return
	}
	src.OnReadable(func() { r.copy(src, dst) })
}

// copy moves one direction until it ends or is idle.
func (r *relay) copy(src, dst *side) {
	switch err := r.move(src, dst); {
	case err == nil:
		r.passEnd(src, dst)
	case errors.Is(err, loop.ErrIdle):
		r.wait(src, dst)
	default:
		r.failed(src, dst, err)
	}
}

// failed is called when a direction ends without the source's end of stream.
func (r *relay) failed(src, dst *side, err error) {
	var op *net.OpError
	switch {
	case errors.Is(err, net.ErrClosed):
		r.end(Drain) // unless it was cut, the loops are being closed
	case errors.As(err, &op) && op.Op == "read":
		r.broke(src, dst)
	default:
		r.blocked(src, dst)
	}
}

// move moves what there is, and returns loop.ErrIdle when that has been all for a while.
func (r *relay) move(src, dst *side) error {
	if src.plain() && dst.plain() {
		// The bare connections: any wrapper here switches splice off.
		_, err := io.Copy(dst.bare(), src.bare())
		return err
	}
	return copyPlain(dst, src)
}

// passEnd tells the destination that the source has ended. The second end needs no
// message: closing the connection is one.
func (r *relay) passEnd(src, dst *side) {
	if r.ended++; r.ended == 2 {
		if !dst.plain() {
			_ = dst.CloseWrite() // with TLS it has to be sent
		}
		r.end(EOF)
		return
	}
	// If it is broken, the other direction reports that, after its last bytes.
	_ = dst.CloseWrite()
	src.OnReadable(func() { r.broke(src, dst) }) // it may break after its end
}

// broke is called when a source is broken: bytes from before the break are delivered,
// then both connections are reset. The first caller does it: its Flush ends when the
// other side breaks, too.
func (r *relay) broke(src, dst *side) {
	if r.why != "" || r.ended == 2 { // passEnd may still wait for room
		return
	}
	r.why = r.resetOf(src)
	_ = dst.Flush() // the time limits cut a relay that makes no progress here
	r.end(r.why)
}

// blocked is called when a destination is broken. The other direction still delivers the
// bytes that it sent before, and then ends the relay; unless that direction has ended, or
// its destination is broken too.
func (r *relay) blocked(src, dst *side) {
	switch {
	case src.Err() != nil:
		r.end(r.resetOf(dst))
	case r.ended > 0:
		r.broke(dst, src) // which may not have got all of it yet
	}
}

// resetOf returns the Ending for a break of that side.
func (r *relay) resetOf(s *side) Ending {
	if s == &r.client {
		return ClientReset
	}
	return BackendReset
}

// half reports whether one direction is over.
func (r *relay) half() bool { return r.ended > 0 || r.why != "" }

// end closes both connections, by resets unless both streams have ended. If there was a
// cause before, that one stands.
func (r *relay) end(why Ending) {
	if r.place < 0 {
		return
	}
	if r.why == "" {
		r.why = why
	}
	for _, s := range []*side{&r.client, &r.backend} {
		s.OnReadable(nil)
		if r.why == EOF {
			_ = s.Close()
		} else {
			_ = s.Reset()
		}
	}
	r.set.remove(r)
	if r.ses != nil {
		r.ses.finish(r.why)
	} else {
		r.finished(r.why)
	}
}

// plainBuffers are for copies that are not the loop's: to TLS or from it.
var plainBuffers = sync.Pool{New: func() any { return new([tlsPiece]byte) }}

// bulkStep is how many bytes pass between two looks at the sockets' buffers, which the
// kernel makes larger by itself.
const bulkStep = 256 << 10

// copyPlain moves what there is, without waiting for more, and then returns loop.ErrIdle.
// The end of the stream is no error.
func copyPlain(dst, src *side) error {
	buf := plainBuffers.Get().(*[tlsPiece]byte)
	defer plainBuffers.Put(buf)
	for {
		n, err := src.TryRead(buf[:])
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case n == 0:
			return loop.ErrIdle
		case n == len(buf) && src.BytesRead()%bulkStep < int64(n): // a step has been passed
			boundBuffers(dst.bare(), src.bare())
		}
		if _, err := dst.Write(buf[:n]); err != nil {
			return err
		}
	}
}
