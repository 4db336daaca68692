package l4

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"fourseven/health"
	"fourseven/internal/loop"
)

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("l4: server closed")

// Server accepts connections and relays each to a backend of the pool. Its
// exported fields are set before Serve and do not change afterwards.
type Server struct {
	Pool *health.Pool
	// Loops are the event loops that the connections are served in, of NewLoops. They
	// may be shared, and must not be closed before Shutdown has returned. If nil, the
	// Server starts some of its own, which Shutdown ends.
	Loops *loop.Group
	// Dialer opens the connections to backends. If nil, a dial is bounded by two
	// seconds.
	Dialer *Dialer
	// Retries is how many further backends are tried after a failed dial.
	Retries int
	// SendProxy is the version of the PROXY header that backends get: 1, 2, or 0
	// for none.
	SendProxy byte

	// Relays has the time limits of connections, and holds the open ones.
	Relays Relays
	// TLS ends the clients' TLS. If nil, the clients' bytes are relayed unchanged.
	TLS *TLSServer
	// Postgres is whether clients speak PostgreSQL's protocol, over TLS of which only the
	// connections to the backends are. Clients that ask for TLS get the reply that there
	// is none.
	Postgres bool
	// Gate decides which clients are allowed. If nil, all are.
	Gate *Gate
	// Slots limits the open connections. If nil, there is no limit.
	Slots *Slots
	// Logger takes errors about failed accepts, and debug lines about dials and
	// connections. If nil, nothing is logged.
	Logger *slog.Logger
	// Ended is called once for each connection, when it is closed, in the event loop:
	// it must not block, nor call Stats or a method of Relays. It may be nil.
	Ended func(Record)

	init     sync.Once
	own      *loop.Group     // Loops, if the Server has started them
	unable   error           // why it could not
	dials    context.Context // cancelled when Shutdown runs out of time
	cutDials context.CancelFunc

	routes *Routes   // of RouteTo, or nil
	others []*Server // that the routes choose from
	front  *Server   // whose routes choose this one, or nil

	active   atomic.Int64
	accepted atomic.Uint64
	retries  atomic.Uint64
	failures atomic.Uint64 // of Accept

	mu        sync.Mutex
	listeners map[*Listener]struct{}
	draining  bool
	// open counts the calls of Serve and the connections. It grows only while
	// draining is false or another call of Serve is counted. Servers of one RouteTo
	// share it.
	open *sync.WaitGroup
}

// setUp sets the defaults.
func (s *Server) setUp() {
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.Dialer == nil {
		s.Dialer = &Dialer{Timeout: dialTimeout}
	}
	if s.Loops == nil {
		s.own, s.unable = NewLoops(s.Logger, 0)
		s.Loops = s.own
	}
	if s.open == nil {
		s.open = new(sync.WaitGroup)
	}
	for _, other := range s.others {
		if other.Loops == nil {
			other.Loops = s.Loops
		}
		other.init.Do(other.setUp)
	}
	s.Relays.Loops = s.Loops
	s.dials, s.cutDials = context.WithCancel(context.Background())
	s.listeners = make(map[*Listener]struct{})
}

// Serve accepts connections on ln, a *net.TCPListener, a *net.UnixListener or a
// *Shared, until Shutdown, and closes ln. It may be called for several listeners. Its
// error is never nil: ErrServerClosed after Shutdown, another one if the event loops
// could not be started or were closed. No failure of ln ends it.
func (s *Server) Serve(ln net.Listener) error {
	s.init.Do(s.setUp)
	l := &Listener{Listener: ln, Frontend: "l4", Slots: s.Slots, Logger: s.Logger, Failures: &s.failures}
	defer func() { _ = l.Close() }()
	if s.unable != nil {
		return s.unable
	}
	listenErr := l.ListenIn(s.Loops)
	if !s.add(l) {
		return ErrServerClosed
	}
	if listenErr != nil {
		return s.remove(l, listenErr)
	}
	return s.remove(l, l.ServeIn(s.begin))
}

// begin starts a fiber for a connection that a loop has accepted.
func (s *Server) begin(client *loop.Conn) {
	s.active.Add(1)
	s.open.Add(1) // the call of Serve is counted
	ses := &session{server: s, slots: s.Slots, client: client, began: time.Now()}
	if s.routes == nil {
		s.accepted.Add(1)
	}
	if !client.Go(ses.connect) {
		ses.refuse(Drain) // the loops are being closed
	}
}

// add registers a listener. It reports whether the server may serve.
func (s *Server) add(l *Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.open.Add(1)
	s.listeners[l] = struct{}{}
	return true
}

// remove forgets a listener whose Accept failed with the error, and returns what
// Serve returns.
func (s *Server) remove(l *Listener, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	s.open.Done()
	if s.draining {
		return ErrServerClosed
	}
	return fmt.Errorf("accept on %s: %w", l.Addr(), err)
}

// Shutdown closes the listeners and waits for the open connections to end. A
// listener with a method CloseWhenEmpty is emptied first, which may have to wait
// for Slots. When the context is done, Shutdown resets the remaining connections
// and returns the context's error. No connection of the server is left when it
// returns, and no goroutine, unless the loops are shared: there the sweep ends within
// a second.
func (s *Server) Shutdown(ctx context.Context) error {
	s.init.Do(s.setUp)
	if s.front != nil {
		s.front.drain() // so that open grows no more
	}
	s.drain()
	defer s.tearDown()
	donec := make(chan struct{})
	go func() { s.open.Wait(); close(donec) }()
	select {
	case <-donec:
		return nil
	case <-ctx.Done():
	}
	s.cut()
	<-donec
	return ctx.Err()
}

// drain ends accepting, once the listeners that can be emptied are empty.
func (s *Server) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for l := range s.listeners {
		l.CloseWhenEmpty()
	}
}

// cut closes the listeners at once and resets all connections, those included
// that are still being started.
func (s *Server) cut() {
	s.mu.Lock()
	for l := range s.listeners {
		_ = l.Close()
	}
	s.mu.Unlock()
	s.cutDials()
	s.Relays.CutAll()
}

// tearDown ends what served the connections, once there are none.
func (s *Server) tearDown() {
	s.cutDials()
	if s.own != nil {
		_ = s.own.Close()
	}
}
