package l7

// phase is what a client connection is doing.
type phase uint8

const (
	fresh    phase = iota // waits for the first byte ever
	idle                  // waits for the first byte of another request
	reading               // a request's head is arriving
	waiting               // for a backend, or for its response
	relaying              // the response is being sent to the client
	upgraded              // the connection is no longer HTTP
)

// cause is why a connection was stopped from outside its own fiber.
type cause uint8

const (
	running  cause = iota
	timedOut       // no byte moved for too long
	slowBody       // no byte of the request's body arrived for too long
	clientLeft
	badBody     // the request's body is malformed
	largeBody   // the request's body is over the limit
	backendDown // the backend of the request went down
	closing     // shutdown ran out of time, or the connection was idle
	byOperator  // an operator closed this connection
	gaveWay     // the connection was idle, and another client waited for a slot
)

// state is a connection's phase and, once it has been stopped, the cause. The
// connection's fiber enters phases; any fiber of its loop may stop it, once. After a
// stop no other phase can be entered.
type state struct {
	phase   phase
	stopped cause  // or running
	entered uint32 // phases so far
	since   uint32 // the pulse of the last change or progress
}

// enter begins a phase. It reports false if the connection was stopped.
func (c *conn) enter(p phase) bool {
	c.loop.rouse()
	c.since = c.loop.now
	if c.stopped != running {
		return false
	}
	c.phase = p
	c.entered++
	if q := c.loop.queueOf(p); q != c.queue || p == idle {
		q.push(c)
	}
	return true
}

// stop stops the connection. It reports false if it was stopped before.
func (c *conn) stop(why cause) bool {
	if c.stopped != running {
		return false
	}
	c.stopped = why
	if c.queue != nil { // it has not ended
		c.loop.busy.push(c)
	}
	return true
}

// progress notes that bytes moved.
func (c *conn) progress() { c.since = c.loop.now }
