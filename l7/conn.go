package l7

import (
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"fourseven/l4"
	"fourseven/l7/http1"
)

// conn is a client's connection, from accept to close. One goroutine serves it, and
// owns all fields but those of watched.
type conn struct {
	srv     *Server
	nc      net.Conn
	io      io.ReadWriter // of nc
	visitor l4.Visitor
	peer    netip.Addr // the client, without a zone; invalid for Unix sockets
	trusted bool       // X-Forwarded-* of this client are kept

	rd    http1.Reader
	first first        // of rd
	out   http1.Writer // to the client
	ex    *exchange    // the present one; nil between two

	began          time.Time
	received, sent atomic.Int64 // bytes from and to the client
	reason         l4.Ending    // why the connection ended, if not by itself or by a stop

	watched
}

// serveConn serves a client's requests, one after the other, until either side ends
// the connection.
func (s *Server) serveConn(nc net.Conn) {
	rw := directly(nc)
	c := &conn{srv: s, nc: nc, io: rw, began: time.Now()}
	c.rd = http1.Reader{Conn: rw, Count: &c.received}
	c.early.conn, c.early.count = rw, &c.sent
	c.out = http1.Writer{Conn: &c.early, Moved: c.progress} // early counts
	c.state.since.Store(s.now.Load())
	c.sock.init(nc)
	c.first.init(&c.rd, &c.sock)
	defer c.releaseSlot()
	if !s.add(c) {
		_ = nc.Close()
		return
	}
	defer c.end()
	if !c.enterGate() {
		l4.Reset(nc)
		return
	}
	for c.serveNext() {
	}
}

// enterGate finds out the client's address. It reports whether the client is allowed.
func (c *conn) enterGate() bool {
	var refused l4.Ending
	c.visitor, refused = c.srv.Gate.Enter(c.nc)
	c.setPeer(c.visitor.Client.Addr())
	switch c.state.stopped() {
	case closing, gaveWay: // they fail the gate, too
	default:
		c.reason = refused
	}
	return refused == ""
}

func (c *conn) setPeer(client netip.Addr) {
	c.peer = client.Unmap().WithZone("")
	c.trusted = c.srv.TrustedProxies.Contains(c.peer)
}

// end closes the connection. A panic ends this connection alone.
func (c *conn) end() {
	if v := recover(); v != nil {
		c.srv.logPanic(v)
		if c.ex != nil {
			c.ex.recoverFrom()
		}
	}
	_ = c.nc.Close()
	c.rd.Release()
	c.out.Release()
	c.recordEnd()
	c.srv.remove(c)
	c.visitor.Leave()
}

// progress notes that bytes moved.
func (c *conn) progress() { c.state.since.Store(c.srv.now.Load()) }

func (c *conn) enter(p phase) bool { return c.state.enter(p, c.srv.now.Load()) }

// serveNext serves one request. It reports whether the connection can be used for
// another.
func (c *conn) serveNext() bool {
	if c.rd.Buffered() == 0 && !c.await() {
		return false
	}
	if !c.enter(reading) {
		return false
	}
	c.ex = newExchange(c)
	again := c.ex.serve()
	c.ex.end()
	c.ex = nil
	return again
}

// await waits for the first byte of a request.
func (c *conn) await() bool {
	if phaseOf(c.state.word.Load()) != fresh && !c.enter(idle) || c.state.stopped() != running {
		return false
	}
	err := c.first.await()
	if err != nil && err != io.EOF && c.state.stopped() == running {
		c.reason = l4.ClientReset
	}
	return err == nil
}

const (
	// lingerTime bounds how long a client may go on sending after the last response.
	// After lingerGap without a byte it is taken to have finished.
	lingerTime = 10 * time.Second
	lingerGap  = time.Second
)

// linger ends our side and takes in what the client still sends: closing with
// bytes unread resets the connection, and the client may lose the response (RFC
// 9112 section 9.6).
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	c.rd.Release()
	c.rd.Before = nil
	for end := time.Now().Add(lingerTime); time.Now().Before(end) && !c.srv.draining.Load(); c.rd.Skip(c.rd.Buffered()) {
		_ = c.nc.SetReadDeadline(time.Now().Add(lingerGap))
		if c.rd.Fill(http1.BulkBuffer) != nil {
			return
		}
	}
}
