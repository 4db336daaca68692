package l7

import (
	"fourseven/internal/loop"
	"fourseven/l4"
	"fourseven/l7/http1"
)

// backendConn is a connection to a backend. It belongs to a loop, and to one exchange
// at a time.
type backendConn struct {
	nc   l4.Conn
	addr string // the remote one
	rd   http1.Reader
	up   *upstream
	loop *ofLoop // of nc

	reused    bool   // it has served an exchange before
	idleSince uint32 // pulse
}

func newBackendConn(nc l4.Conn, up *upstream, l *ofLoop) *backendConn {
	bc := &backendConn{nc: nc, addr: nc.RemoteAddr().String(), up: up, loop: l}
	bc.rd = http1.Reader{Conn: nc, Count: &up.backend.Traffic().Sent, Stock: &l.stock}
	if bare, ok := nc.(*loop.Conn); ok { // TLS may hold bytes that it has decrypted
		bc.rd.Await = bare.AwaitReadable
	}
	return bc
}

// close closes the connection, between two exchanges. Any goroutine may call it for one
// that is idle.
func (bc *backendConn) close() {
	bc.shut()
	bc.up.leave()
}

// shut is close, but the connection's place stays taken.
func (bc *backendConn) shut() {
	bc.rd.Release()
	_ = bc.nc.Close()
}

// abort resets the connection in the middle of an exchange, so that the backend
// cannot take what it received for complete.
func (bc *backendConn) abort() {
	bc.rd.Release()
	_ = bc.nc.Reset()
	bc.up.leave()
}
