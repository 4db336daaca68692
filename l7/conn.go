package l7

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"fourseven/health"
	"fourseven/l4"
	"fourseven/l7/http1"
)

// conn is a client's connection. It is served by one goroutine; while a request's
// body is being forwarded, a second one has rd, body and toBackend.
type conn struct {
	srv     *Server
	nc      net.Conn
	client  netip.AddrPort // zero for Unix sockets
	peer    netip.Addr     // of client, without a zone
	trusted bool           // X-Forwarded-* of this client are kept
	visitor l4.Visitor
	state   state

	rd  http1.Reader
	out http1.Writer // to the client
	req http1.Request
	// body is the present request's.
	body     http1.Body
	bodySize int64 // of it, so far

	// toBackend holds the request's head, and its body if that is short, until
	// the backend answers: it may have to be sent again.
	toBackend http1.Writer
	up        upload
	resp      http1.Response
	respBody  http1.Body
	answered  bool // a byte of the final response may have left
	close     bool // no further request is read
	// flushOut is c.flushResponse, kept so that a request allocates nothing for it.
	flushOut func() error
	early    early

	began          time.Time
	received, sent atomic.Int64 // bytes from and to the client
	rec            recording
	reason         l4.Ending // why the connection ended, if not by itself or by a stop

	backend    atomic.Pointer[backendConn]
	cancelDial atomic.Pointer[context.CancelFunc]
	holds      *health.Backend // to be released

	// The rest belongs to who holds srv.mu.
	sock   socket
	seen   int
	seenIn uint32
}

// serveConn serves a client's requests, one after the other, until either side
// has had enough.
func (s *Server) serveConn(nc net.Conn) {
	c := &conn{srv: s, nc: nc, began: time.Now()}
	rw := directly(nc)
	c.rd.Conn, c.out.Conn = rw, rw
	c.rd.Count, c.out.Count, c.early.count = &c.received, &c.sent, &c.sent
	c.out.Moved, c.out.Ahead = c.progress, c.early.cut
	c.toBackend.Moved = c.progress
	c.state.since.Store(s.now.Load())
	c.flushOut = c.flushResponse
	c.respBody.Padded = true
	c.sock.init(nc)
	defer s.Slots.Release()
	if !s.add(c) {
		_ = nc.Close()
		return
	}
	defer c.end()
	if !c.comeIn() {
		l4.Reset(nc)
		return
	}
	for c.next() {
	}
}

// comeIn finds out who the client is. It reports whether it may come in.
func (c *conn) comeIn() bool {
	var refused l4.Ending
	c.visitor, refused = c.srv.Gate.Enter(c.nc)
	c.setClient(c.visitor.Client)
	if refused != "" && c.state.stopped() != closing { // else it was not the client's doing
		c.reason = refused
	}
	return refused == ""
}

func (c *conn) setClient(client netip.AddrPort) {
	c.client, c.peer = client, client.Addr().Unmap().WithZone("")
	for _, prefix := range c.srv.TrustedProxies {
		if prefix.Contains(c.peer) {
			c.trusted = true
		}
	}
}

// end closes the connection. A panic ends this connection alone.
func (c *conn) end() {
	if v := recover(); v != nil {
		c.srv.tellPanic(v)
		c.afterPanic()
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

// next serves one request. It reports whether the connection is good for another.
func (c *conn) next() bool {
	if c.rd.Buffered() == 0 && !c.await() {
		return false
	}
	if !c.enter(reading) {
		return false
	}
	c.beginRecord()
	again := c.serve()
	c.endRecord()
	return again
}

// serve reads one request and answers it.
func (c *conn) serve() bool {
	head, err := c.rd.RequestHead(c.srv.MaxHeader)
	if err != nil {
		c.req.Reset() // it is the one before
		return c.refuse(err)
	}
	err = c.req.Parse(head)
	c.recordLine(head)
	if err != nil {
		return c.refuse(err)
	}
	c.rd.Skip(len(head))
	return c.exchange()
}

// await waits for the first byte of a request.
func (c *conn) await() bool {
	if phaseOf(c.state.word.Load()) != fresh && !c.enter(idle) || c.state.stopped() != running {
		return false
	}
	c.rd.Shrink() // an idle connection holds no more than it needs
	err := c.rd.Fill(http1.SmallBuffer)
	if err != nil && err != io.EOF && c.state.stopped() == running {
		c.reason = l4.ClientReset
	}
	return err == nil
}

// refuse answers a request that is not forwarded, and ends the connection. Who
// closed the connection gets no answer.
func (c *conn) refuse(err error) bool {
	var r *http1.Error
	switch {
	case errors.As(err, &r):
	case c.state.stopped() == timedOut:
		r = &http1.Error{Status: 408, Reason: "slow head"}
	default:
		return false
	}
	c.rec.Refusal = r.Reason
	if c.rec.received == 0 { // not a whole head
		c.rec.received = int64(c.rd.Buffered())
	}
	c.srv.Logger.Debug("request refused", "client", c.peer, "status", r.Status, "reason", r.Reason)
	c.close = true
	c.answer(r.Status, "")
	c.linger()
	return false
}

const (
	// lingerTime bounds how long a refused client may go on sending, lingerGap the
	// silence after which it is taken to have finished.
	lingerTime = 10 * time.Second
	lingerGap  = time.Second
)

// linger ends our side and takes in what the client still sends: closing with
// bytes unread resets the connection, and the client may lose the answer (RFC
// 9112 section 9.6). The request is over: what lingers is the connection.
func (c *conn) linger() {
	c.endRecord()
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
