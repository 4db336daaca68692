package l4

import (
	"context"
	"errors"
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
	Pool   *health.Pool
	Dialer *health.Dialer
	// Retries is how many further backends are tried after a failed dial.
	Retries int
	// SendProxy is the version of the PROXY header that backends get: 1, 2, or 0
	// for none.
	SendProxy byte

	Relays Relays // the time limits of a connection, and those that live
	Gate   *Gate  // who may come in; nil for everybody
	Slots  Slots  // how many may be in at once
	Logger *slog.Logger
	// Ended is called once for each connection, when it is closed. If nil, nobody
	// is told.
	Ended func(Record)

	mu      sync.Mutex
	ln      net.Listener
	served  chan struct{} // closed when Serve accepts no more; made by track
	closing bool
	closed  chan struct{}  // made by closec; closed when Shutdown begins
	wg      sync.WaitGroup // one a connection; Add only under mu while !closing

	active    atomic.Int64
	accepted  atomic.Uint64
	retries   atomic.Uint64
	failures  atomic.Uint64   // of Accept
	dials     context.Context // ends when what remains is cut; made by track
	cutDials  context.CancelFunc
	clients   chan stream    // to a worker that waits
	waiting   atomic.Int64   // workers that wait
	helpers   sync.WaitGroup // workers and the sweeper
	stopSweep context.CancelFunc
}

// Serve accepts connections on ln until Shutdown. It always returns a non-nil
// error; after Shutdown that is ErrServerClosed. It closes ln. No error of Accept
// ends it but the listener's closing. At the limit of Slots it does not accept,
// so that the kernel's queue holds the rest.
func (s *Server) Serve(ln net.Listener) error {
	defer func() { _ = ln.Close() }()
	if !s.track(ln) {
		return ErrServerClosed
	}
	defer close(s.served)
	closed := s.closec()
	var pause time.Duration
	var said health.Throttle
	for s.Slots.Wait(closed) {
		conn, err := ln.Accept()
		if err == nil {
			pause = 0
			s.start(conn.(stream), closed)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			break
		}
		s.failures.Add(1)
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		if held, ok := said.Pass(err.Error()); ok {
			s.Logger.Error("accept", "frontend", "l4", "err", err, "pause", pause, "held_back", held)
		}
		if !sleep(pause, closed) {
			break
		}
	}
	return ErrServerClosed
}

// sleep reports whether the time passed before the channel closed.
func sleep(d time.Duration, closed <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-closed:
		return false
	}
}

// track keeps the listener for Shutdown to close, and starts the sweeper. It
// reports whether the server may serve.
func (s *Server) track(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.ln, s.served = ln, make(chan struct{})
	s.clients = make(chan stream)
	s.dials, s.cutDials = context.WithCancel(context.Background())
	ctx, cancel := context.WithCancel(context.Background())
	s.stopSweep = cancel
	s.helpers.Go(func() { _ = s.Relays.Sweep(ctx) })
	return true
}

// closec returns a channel that closes when Shutdown begins.
func (s *Server) closec() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closecLocked()
}

func (s *Server) closecLocked() chan struct{} {
	if s.closed == nil {
		s.closed = make(chan struct{})
	}
	return s.closed
}

// start gives the connection to a worker. If another frontend has taken the last
// slot meanwhile, it waits for one.
func (s *Server) start(client stream, closed <-chan struct{}) {
	if !s.Slots.Acquire(closed) {
		reset(client)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		s.Slots.Release()
		reset(client)
		return
	}
	s.active.Add(1)
	s.accepted.Add(1)
	s.wg.Add(1)
	select {
	case s.clients <- client:
	default:
		s.helpers.Go(func() { s.work(client) })
	}
}

// spareWorkers is how many goroutines wait for a next connection to connect, and
// spareTime how long each does. Dialling needs a large stack; a goroutine that has
// one already saves growing it, which was 6 % of the processor time of a short
// connection.
const (
	spareWorkers = 16
	spareTime    = time.Second
)

// work connects clients, until there are none for a while or enough others wait
// for the next.
func (s *Server) work(client stream) {
	closed := s.closec()
	spare := time.NewTimer(spareTime)
	defer spare.Stop()
	for {
		s.connect(client)
		if s.waiting.Add(1) > spareWorkers {
			s.waiting.Add(-1)
			return
		}
		spare.Reset(spareTime)
		select {
		case client = <-s.clients:
			s.waiting.Add(-1)
		case <-spare.C:
			s.waiting.Add(-1)
			return
		case <-closed:
			return
		}
	}
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
		reset(conn)
		ses.refuse(ConnectFailed)
		return
	}
	ses.relay, r.of = r, ses.backend
	s.Relays.start(r, ses.finish)
}

// Shutdown closes the listener and waits for the live connections to end. A
// listener with a method CloseWhenEmpty is emptied first, for which the limit of
// Slots may have to be waited for. When the context is done it resets what remains
// and returns the context's error. No goroutine of the server is left when it
// returns.
func (s *Server) Shutdown(ctx context.Context) error {
	s.empty(ctx)
	s.close()
	defer s.end()
	donec := make(chan struct{})
	go func() { s.wg.Wait(); close(donec) }()
	select {
	case <-donec:
		return nil
	case <-ctx.Done():
	}
	s.cut()
	<-donec
	return ctx.Err()
}

// empty serves who waits in the listener's queue, if the listener can end so.
func (s *Server) empty(ctx context.Context) {
	s.mu.Lock()
	ln, served := s.ln, s.served
	s.mu.Unlock()
	queue, ok := ln.(interface{ CloseWhenEmpty() })
	if !ok {
		return
	}
	queue.CloseWhenEmpty()
	select {
	case <-served:
	case <-ctx.Done():
	}
}

// close ends accepting.
func (s *Server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	s.closing = true
	close(s.closecLocked())
	if s.ln != nil {
		_ = s.ln.Close()
	}
}

// cut ends everything that lives.
func (s *Server) cut() {
	s.mu.Lock()
	if s.cutDials != nil {
		s.cutDials()
	}
	s.mu.Unlock()
	s.Relays.CutAll()
}

// end stops what serves the connections, once there are none.
func (s *Server) end() {
	s.mu.Lock()
	if s.stopSweep != nil {
		s.stopSweep()
		s.cutDials()
	}
	s.mu.Unlock()
	s.helpers.Wait()
}
