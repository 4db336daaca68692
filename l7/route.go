package l7

import (
	"cmp"
	"sync"

	"fourseven/l4"
)

// RouteTo makes the server accept connections for others, and forward no request itself:
// with each request, its connection becomes one of the server that the routes choose, with
// its pool, limits and counts, until another request is for another server. The others are
// all that the routes may choose, and are not served themselves. What acts before a
// request has been read should be the same in all.
//
// It is called before Serve. All of these servers are to be shut down at the same time:
// Shutdown of any ends accepting, and returns when the connections of all have ended. A
// server can be among the others of one server alone.
func (s *Server) RouteTo(routes *Routes, others ...*Server) {
	s.routes, s.others, s.router = routes, others, s
	s.open = new(sync.WaitGroup)
	for _, to := range others {
		to.router, to.open = s, s.open
	}
}

// route gives the connection to the server that the request is for. The error is an
// *httpError or errGone.
func (ex *exchange) route() error {
	c := ex.conn
	router := c.srv.router
	if router == nil {
		return nil
	}
	to := router.routes.find(&ex.req)
	if to == nil {
		ex.moveTo(router)
		ex.rec.Reason = l4.NoRoute
		return &httpError{404, "No service for this host and path", nil}
	}
	if to == c.srv {
		return nil
	}
	if err := ex.enterSlot(to); err != nil {
		return err
	}
	ex.moveTo(to)
	c.countAccepted()
	if c.loop.cut { // before the connection came
		c.stop(closing)
	}
	if !c.enter(reading) {
		return ex.errorFor(errGone)
	}
	return nil
}

// enterSlot takes a slot of the server for the connection, which may have to wait as long
// as a dial may take.
func (ex *exchange) enterSlot(to *Server) error {
	c := ex.conn
	ctx, done := c.untilStop()
	defer done()
	limit := cmp.Or(to.Dialer.Timeout, dialTimeout)
	switch {
	case c.stopped != running:
		return ex.errorFor(errGone)
	case to.Slots.AcquireWithin(ctx, c.loop.Loop, to.router.Slots, limit):
		return nil
	case c.stopped != running:
		return ex.errorFor(errGone)
	}
	ex.refusedBy = to
	ex.rec.Reason = l4.Denied
	return &httpError{503, "Too many connections", nil}
}

// moveTo makes the connection one of a server that it has a slot of. Bytes that have been
// read of this request and behind it are that server's, as far as they have not been counted yet.
func (ex *exchange) moveTo(to *Server) {
	c := ex.conn
	if to == c.srv {
		return
	}
	ahead := min(ex.rec.head+int64(c.rd.Buffered()), c.received.Load()-c.accounted.received)
	c.account()
	c.loop.received -= ahead
	c.accounted.received -= ahead
	c.srv.Slots.ReleaseWithin(to.router.Slots)
	c.loop.remove(c)
	c.srv, c.loop = to, to.of(c.loop.Loop)
	c.loop.add(c)
	c.loop.rouse()
	c.since = c.loop.now
	c.loop.queueOf(c.phase).push(c)
	c.trusted = to.TrustedProxies.Contains(c.peer)
}

// countAccepted counts the connection for its server, once.
func (c *conn) countAccepted() {
	if !c.counted {
		c.counted = true
		c.loop.accepted++
	}
}
