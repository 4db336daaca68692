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
)

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("l4: server closed")

// Server accepts connections and relays each to a backend of the pool. Its
// exported fields are set before Serve and do not change afterwards.
type Server struct {
	Pool *health.Pool
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
	// Gate decides which clients are allowed. If nil, all are.
	Gate *Gate
	// Slots limits the open connections. If nil, there is no limit.
	Slots *Slots
	// Logger takes errors about failed accepts, and debug lines about dials and
	// connections. If nil, nothing is logged.
	Logger *slog.Logger
	// Ended is called once for each connection, when it is closed. It may be nil.
	Ended func(Record)

	init      sync.Once
	workers   workers
	dials     context.Context // cancelled when Shutdown runs out of time
	cutDials  context.CancelFunc
	sweep     sync.WaitGroup // one goroutine
	stopSweep context.CancelFunc

	active   atomic.Int64
	accepted atomic.Uint64
	retries  atomic.Uint64
	failures atomic.Uint64 // of Accept

	mu        sync.Mutex
	listeners map[*Listener]struct{}
	draining  bool
	// open counts the calls of Serve and the connections. It grows only while
	// draining is false or another call of Serve is counted.
	open sync.WaitGroup
}

// setUp sets the defaults and starts the sweep of Relays.
func (s *Server) setUp() {
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.Dialer == nil {
		s.Dialer = &Dialer{Timeout: dialTimeout, Bare: true}
	}
	s.dials, s.cutDials = context.WithCancel(context.Background())
	s.listeners = make(map[*Listener]struct{})
	s.workers.setUp(s.connect)
	ctx, stop := context.WithCancel(context.Background())
	s.stopSweep = stop
	s.sweep.Go(func() { _ = s.Relays.Sweep(ctx) })
}

// Serve accepts connections on ln until Shutdown, and closes ln. It may be called
// for several listeners. Its error is never nil: ErrServerClosed after Shutdown,
// another one if ln was closed by somebody else. No other failure of ln ends it.
func (s *Server) Serve(ln net.Listener) error {
	s.init.Do(s.setUp)
	l := &Listener{Listener: ln, Frontend: "l4", Slots: s.Slots, Logger: s.Logger, Failures: &s.failures}
	defer func() { _ = l.Close() }()
	if !s.add(l) {
		return ErrServerClosed
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return s.remove(l, err)
		}
		s.start(conn.(stream))
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

// start gives a connection, which holds a slot, to a worker.
func (s *Server) start(client stream) {
	s.active.Add(1)
	s.accepted.Add(1)
	s.open.Add(1) // the call of Serve is counted
	s.workers.serve(client)
}

// connect lets the client in, finds it a backend and starts their relay, which
// ends the session later. If it cannot, the client is reset.
func (s *Server) connect(client stream) {
	ses := &session{server: s, client: client, began: time.Now()}
	var why Ending
	if why = ses.enter(); why != "" {
		ses.refuse(why)
		return
	}
	conn, why := ses.dial()
	if conn == nil {
		ses.refuse(why)
		return
	}
	r, err := newRelay(client, conn.(stream))
	if err != nil {
		Reset(conn)
		ses.refuse(ConnectFailed)
		return
	}
	ses.relay, r.of = r, ses.backend
	s.Relays.start(r, ses.finish)
}

// Shutdown closes the listeners and waits for the open connections to end. A
// listener with a method CloseWhenEmpty is emptied first, which may have to wait
// for Slots. When the context is done, Shutdown resets the remaining connections
// and returns the context's error. No goroutine of the server is left when it
// returns.
func (s *Server) Shutdown(ctx context.Context) error {
	s.init.Do(s.setUp)
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
	s.workers.close()
	s.stopSweep()
	s.sweep.Wait()
}
