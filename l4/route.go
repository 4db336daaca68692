package l4

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"fourseven/internal/loop"
)

// Routes chooses a Server for a connection by the name in the client's TLS hello.
type Routes struct {
	// Names has the servers by their names.
	Names Names[*Server]
	// Default gets the connections whose clients ask for none of these names, or for
	// none at all. If nil, they are refused.
	Default *Server
	// HelloTimeout bounds the wait for the hello. A client that has not sent it by then,
	// because it waits for the server to speak first, asks for no name. If zero, it is
	// five seconds.
	HelloTimeout time.Duration
}

const (
	// helloTimeout is what HelloTimeout means when it is zero.
	helloTimeout = 5 * time.Second
	// alertTime bounds how long a client that was sent an alert may take to close.
	alertTime = time.Second
)

// find returns the server for a name, or nil.
func (r *Routes) find(name string) *Server {
	exact, wildcard := r.Names.Find([]byte(name))
	return cmp.Or(exact, wildcard, r.Default)
}

// RouteTo makes the server accept connections for others, and relay none itself: each
// becomes a connection of the server that the routes choose, with its pool, limits and
// counts. The others are all that the routes may choose, and are not served themselves.
// TLS may be ended by each of them, or by this server before it routes.
//
// It is called before Serve. All of these servers are to be shut down at the same time:
// Shutdown of any ends accepting, and returns when the connections of all have ended. A
// server can be among the others of one server alone.
func (s *Server) RouteTo(routes *Routes, others ...*Server) {
	s.routes, s.others = routes, others
	s.open = new(sync.WaitGroup)
	for _, to := range others {
		to.front, to.open = s, s.open
	}
}

// route hands the session to the server that its client asks for.
func (ses *session) route(routes *Routes) Ending {
	s := ses.server
	h, why := ses.askedFor(routes)
	if why != "" {
		return why
	}
	to := routes.find(h.name)
	if to == nil {
		if h.isTLS {
			refuseName(ses.client)
		}
		return NoRoute
	}
	s.active.Add(-1)
	to.active.Add(1)
	ses.server = to
	if !to.Slots.AcquireWithin(to.dials, ses.client.Loop(), s.Slots, cmp.Or(to.Dialer.Timeout, dialTimeout)) {
		if to.dials.Err() != nil {
			return Drain
		}
		return Denied
	}
	ses.slots = to.Slots
	return ""
}

// askedFor returns the name that the client asks for. If the server ends TLS itself, it is
// that of the handshake: clients of PostgreSQL begin with something else.
func (ses *session) askedFor(routes *Routes) (h hello, why Ending) {
	if ses.server.TLS == nil {
		return ses.peekHello(routes)
	}
	why = ses.secure()
	if ses.secured != nil {
		h.name = ses.secured.ServerName
	}
	return h, why
}

// hellos are buffers for what clients send first.
var hellos = sync.Pool{New: func() any { return new([4 << 10]byte) }}

// peekHello waits for the client's hello, and leaves it to be read again. The wait ends
// when the server is cut.
func (ses *session) peekHello(routes *Routes) (h hello, why Ending) {
	s, conn := ses.server, ses.client
	stop := context.AfterFunc(s.dials, func() { _ = conn.Reset() })
	defer stop()
	_ = conn.SetReadDeadline(time.Now().Add(cmp.Or(routes.HelloTimeout, helloTimeout)))
	defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
	pooled := hellos.Get().(*[4 << 10]byte)
	defer hellos.Put(pooled)
	buf, err := h.readFrom(conn, pooled[:0])
	h.msg = nil // the buffer is released
	switch {
	case s.dials.Err() != nil:
		return h, Drain
	case err == io.EOF && len(buf) == 0 && routes.Default == nil:
		return h, EOF // it connected and closed: a probe of the port
	case err == nil, err == io.EOF, errors.Is(err, os.ErrDeadlineExceeded):
		conn.Unread(buf)
		return h, ""
	}
	return h, ClientReset
}

// readFrom reads until the search for a name has ended. It returns the bytes that it has
// read, and the error that ended it early.
func (h *hello) readFrom(conn io.Reader, buf []byte) ([]byte, error) {
	for !h.read(buf) {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, 2*len(buf)), buf...)
		}
		n, err := conn.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil {
			return buf, err
		}
	}
	return buf, nil
}

// unrecognizedName is a record with the alert of that name, which is fatal (RFC 8446,
// section 6.2).
var unrecognizedName = []byte{21, 3, 3, 0, 2, 2, 112}

// refuseName sends a TLS client the alert that no server here has the name that it asks
// for, and closes the connection: not at once, since a reset could overtake the alert.
func refuseName(client *loop.Conn) {
	_ = client.SetDeadline(time.Now().Add(alertTime))
	if _, err := client.Write(unrecognizedName); err != nil || client.CloseWrite() != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, struct{ io.Reader }{client}, helloMax)
	_ = client.Close()
}
