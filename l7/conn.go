package l7

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"fourseven/internal/loop"
	"fourseven/l4"
	"fourseven/l7/http1"
)

// conn is a client's connection, from accept to close. All of it belongs to its loop: a
// fiber serves its requests. Between two requests there is none.
type conn struct {
	srv     *Server
	loop    *ofLoop
	nc      l4.Conn
	lent    lent
	secured *l4.TLSInfo // nil without TLS
	// elsewhere is where its requests are redirected to; nil if they are served.
	elsewhere *redirect
	visitor   l4.Visitor
	peer      netip.Addr // the client, without a zone; invalid for Unix sockets
	trusted   bool       // X-Forwarded-* of this client are kept

	queue      *queue // that it is in
	prev, next *conn
	state
	number  uint64 // of the connections of its loop
	place   int    // in ofLoop.open
	listed  int64  // bytes moved at the last list
	resting bool   // no fiber serves it, and another one will be started
	spared  bool   // its slot was released before it ends
	counted bool   // among those that were accepted

	rd    http1.Reader
	early early
	out   http1.Writer // to the client
	ex    *exchange    // the present one; nil between two

	began          time.Time
	received, sent atomic.Int64 // bytes from and to the client
	accounted      moved        // of them, in the loop's counts
	reason         l4.Ending    // why the connection ended, if not by itself or by a stop

	backend    *backendConn       // that the present request was sent over, or nil
	cancelDial context.CancelFunc // ends the context of untilStop; nil if there is none
	watched
}

// lent is a client's connection as fasthttp gets it for as long as there are requests. It
// does not show TLS: fasthttp would enter its own loop over requests.
type lent struct {
	l4.Conn
	conn *conn
}

// Close does nothing: the connection may wait for its next request.
func (l *lent) Close() error { return nil }

// begin begins with a connection that a loop has accepted.
func (s *Server) begin(nc *loop.Conn) { s.beginConn(nc, nil) }

func (s *Server) beginConn(nc *loop.Conn, elsewhere *redirect) {
	l := s.of(nc.Loop())
	c := &conn{srv: s, loop: l, nc: nc, elsewhere: elsewhere, began: time.Now()}
	c.lent = lent{nc, c}
	c.rd = http1.Reader{Conn: nc, Count: &c.received, Stock: &l.stock}
	c.early.conn, c.early.count = nc, &c.sent
	c.out = http1.Writer{Conn: &c.early, Moved: c.progress, Stock: &l.stock} // early counts
	c.enter(fresh)
	if s.routes == nil {
		c.countAccepted()
	}
	l.add(c)
	s.open.Add(1) // the call of Serve is counted
	if l.cut || !nc.Go(c.arrive) {
		_ = nc.Reset()
		c.end()
	}
}

// arrive is the first fiber of a connection.
func (c *conn) arrive() {
	defer c.settle()
	if !c.enterGate() || !c.secure() {
		_ = c.nc.Reset()
		return
	}
	c.rest()
}

// enterGate finds out the client's address. It reports whether the client is allowed.
func (c *conn) enterGate() bool {
	var refused l4.Ending
	c.visitor, refused = c.srv.Gate.Enter(c.nc)
	c.setPeer(c.visitor.Client.Addr())
	switch c.stopped {
	case closing, gaveWay, byOperator: // they fail the gate, too
	default:
		c.reason = refused
	}
	return refused == ""
}

func (c *conn) setPeer(client netip.Addr) {
	c.peer = client.Unmap().WithZone("")
	c.trusted = c.srv.TrustedProxies.Contains(c.peer)
}

// rest has the connection wait for a request without a fiber and a buffer.
func (c *conn) rest() {
	if c.stopped != running || c.phase != fresh && !c.enter(idle) {
		return
	}
	c.rd.Release()
	c.resting = true
	c.nc.OnReadable(c.serve)
}

// serve is a fiber that serves a client's requests until it is idle or either side ends
// the connection. fasthttp calls serveRequests.
func (c *conn) serve() {
	c.resting = false
	defer c.settle()
	_ = c.srv.front.ServeConn(&c.lent)
}

// settle ends the connection when its fiber is over, unless it rests. A panic ends this
// connection alone.
func (c *conn) settle() {
	if v := recover(); v != nil {
		c.srv.logPanic(v)
		c.resting = false
		if c.ex != nil {
			c.ex.recoverFrom()
		}
	}
	if !c.resting {
		c.takeLeave()
		c.end()
	}
}

// end closes the connection.
func (c *conn) end() {
	_ = c.nc.Close()
	c.rd.Release()
	c.out.Release()
	c.countAccepted()
	c.recordEnd()
	c.leaveQueue()
	c.loop.remove(c)
	c.account()
	c.visitor.Leave()
	c.releaseSlot()
	c.srv.open.Done()
}

// serveRequests serves the requests that are there, one after the other.
func serveRequests(nc net.Conn) error {
	c := nc.(*lent).conn
	if !c.readFirst() {
		return nil
	}
	for c.serveNext() {
		if c.rd.Buffered() == 0 {
			c.rest()
			return nil
		}
	}
	return nil
}

// serveNext serves one request. It reports whether the connection can be used for
// another.
func (c *conn) serveNext() bool {
	if !c.enter(reading) {
		return false
	}
	c.ex = newExchange(c)
	again := c.ex.serve()
	if c.phase == upgraded && c.resting {
		return false // the exchange goes on
	}
	c.ex.end()
	c.ex = nil
	c.account()
	return again
}

// readFirst reads the first bytes of a request.
func (c *conn) readFirst() bool {
	err := c.rd.Fill(http1.SmallBuffer)
	if err != nil && err != io.EOF && !errors.Is(err, l4.ErrTruncated) && c.stopped == running {
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
	_ = c.nc.SetWriteDeadline(time.Now().Add(lingerTime))
	if c.nc.CloseWrite() != nil {
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

// send sends as much of p as there is room for, without waiting, and returns how much
// that was.
func (c *conn) send(p []byte) int { return c.nc.TryWrite(p) }

// unacknowledged returns how many of the bytes sent the client's system has not
// acknowledged.
func (c *conn) unacknowledged() int { return c.nc.Unacked() }
