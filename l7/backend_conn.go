package l7

import (
	"io"
	"net"

	"fourseven/l4"
	"fourseven/l7/http1"
)

// backendConn is a connection to a backend. It belongs to one exchange at a time.
type backendConn struct {
	nc   net.Conn
	addr string        // the remote one
	io   io.ReadWriter // of nc
	rd   http1.Reader
	sock socket
	ask  ask
	up   *upstream

	reused    bool   // it has served an exchange before
	idleSince uint32 // pulse
}

func newBackendConn(nc net.Conn, up *upstream) *backendConn {
	bc := &backendConn{nc: nc, addr: nc.RemoteAddr().String(), io: directly(nc), up: up}
	bc.rd = http1.Reader{Conn: bc.io, Count: &up.backend.Traffic().Sent}
	bc.sock.init(nc)
	return bc
}

// close closes the connection, between two exchanges.
func (bc *backendConn) close() {
	bc.rd.Release()
	_ = bc.nc.Close()
	bc.up.leave()
}

// abort resets the connection in the middle of an exchange, so that the backend
// cannot take what it received for complete.
func (bc *backendConn) abort() {
	bc.rd.Release()
	l4.Reset(bc.nc)
	bc.up.leave()
}
