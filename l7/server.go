package l7

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"fourseven/health"
	"fourseven/l4"
)

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("l7: server closed")

// defaultMaxHeader is what MaxHeader means when it is zero.
const defaultMaxHeader = 64 << 10

// Server forwards HTTP/1 requests to the backends of a pool. Its fields are set
// before Serve. Durations of zero are no limit.
type Server struct {
	// Pool picks a backend for each request.
	Pool *health.Pool
	// Dialer opens the connections to backends. If nil, a dial is bounded by two
	// seconds.
	Dialer *l4.Dialer
	// Retries is how many further backends are tried for one request: after a failed
	// dial, and once for a request that may be repeated if the backend broke a new
	// connection before it sent anything.
	Retries int

	// HeaderTimeout bounds the arrival of a request's head, from its first byte, and
	// the wait for the first byte of a new connection. IdleTimeout bounds the time
	// between two requests, and the time without a byte from a client in a body.
	// BackendTimeout bounds the wait for a response's head, from the end of the
	// request, however many 1xx responses come before it. The longer of the last two
	// bounds the time without a byte in a response's body.
	HeaderTimeout, IdleTimeout, BackendTimeout time.Duration
	// MinRate is how many bytes a second a body must move on average over the time that
	// may pass without a byte: a request's body until the response begins and once that
	// is complete, and a response's body if it has a Content-Length or the client is slow
	// to read. A response without Content-Length may come as slowly as the backend sends
	// it, as SSE does. If zero, there is no minimum.
	MinRate int64
	// LastRequest is how long a connection may wait for one more request after
	// Shutdown was called; the response to it says "Connection: close". A connection
	// that is closed while its client sends a request costs that request. With zero,
	// idle connections are closed at once.
	LastRequest time.Duration

	// MaxHeader limits the bytes of a request's head; a longer one gets 431 or 414.
	// If zero, it is 64 KiB.
	MaxHeader int
	// MaxBody limits the bytes of a request's body; a longer one gets 413. If zero,
	// there is no limit.
	MaxBody int64
	// MaxBackendConns limits the connections to one backend. At the limit a request
	// waits for one, for as long as a dial may take. If zero, it is 16384.
	MaxBackendConns int
	// MaxIdleBackendConns limits the unused connections to all backends together. Past
	// it the one that has been idle longest is closed. If zero, there is no limit.
	MaxIdleBackendConns int
	// BackendKeepalive is how long an unused connection to a backend is kept. If zero,
	// it is 4 s; if negative, each request has a connection of its own.
	BackendKeepalive time.Duration

	// TrustedProxies are the clients whose X-Forwarded-* fields are kept and
	// appended to. Those of all other clients are replaced.
	TrustedProxies l4.Peers
	// Slots limits the open connections, those of other frontends included. At the limit
	// the connection that has been idle longest is closed in favour of a new client of
	// any frontend; from nine tenths of it responses say "Connection: close". If nil,
	// there is no limit.
	Slots *l4.Slots
	// Gate decides which clients are allowed, and reads PROXY headers. If nil, all
	// clients are allowed.
	Gate *l4.Gate
	// Logger takes a debug line for each request that was not forwarded, warnings about
	// malformed responses, and errors about failed accepts and requests that panicked,
	// each once a second at most. If nil, nothing is logged.
	Logger *slog.Logger
	// Relays has the event loops and the time limits of upgraded connections, and holds
	// the open ones. It belongs to this Server alone. If nil, requests for an upgrade are
	// forwarded without asking for it.
	Relays *l4.Relays
	// Served is called after each request, in the goroutine of its connection; the
	// Record is valid during the call. It may be nil.
	Served func(*Record)
	// Ended is called once for each connection, when it is closed. It may be nil.
	Ended func(Closing)
	// CutOnDown makes sure that no request goes to a backend that CutBackend was
	// called for, and that no upgraded connection to it begins.
	CutOnDown bool

	arriving  atomic.Int64 // accepted connections that are not in conns yet
	active    atomic.Int64 // exchanges
	retries   atomic.Uint64
	failures  atomic.Uint64 // of Accept
	draining  atomic.Bool
	now       atomic.Uint32 // counts pulses
	date      date
	limits    limits
	upstreams upstreams
	panics    health.Throttle
	malformed health.Throttle // of lines about responses
	front     fasthttp.Server
	start     sync.Once

	mu        sync.Mutex
	listeners map[*listener]struct{}
	conns     map[*conn]struct{}
	accepted  uint64
	longest   []candidate // to give way; the one idle longest comes last
	idle      int         // connections, when idleCount last looked
	idleSeen  uint32      // the pulse after that look; 0 before the first
	// received and sent are bytes of connections that have ended.
	received, sent int64
	drainFrom      uint32             // pulse in which the drain began
	cut            bool               // all connections have been cut: no more are registered
	stopWatch      context.CancelFunc // nil before the first Serve
	watches        sync.WaitGroup     // the watch
	// empty is closed when a shutdown has nothing left to wait for.
	empty chan struct{}
}

// limits are the time-outs in pulses.
type limits struct{ header, idle, backend, lastRequest uint32 }

// Active returns how many requests are being served, upgraded connections included.
func (s *Server) Active() int { return int(s.active.Load()) }

// Serve accepts connections on ln and serves them until Shutdown, and closes ln. It
// may be called for several listeners. Its error is never nil: ErrServerClosed after
// Shutdown, another one if ln was closed by somebody else. No other failure of ln
// ends it.
func (s *Server) Serve(ln net.Listener) error {
	s.start.Do(s.init)
	l := &listener{
		Listener: &l4.Listener{Listener: ln, Frontend: "l7", Slots: s.Slots, Logger: s.Logger, Failures: &s.failures},
		arriving: &s.arriving,
	}
	if !s.addListener(l) {
		_ = l.Close()
		return ErrServerClosed
	}
	err := s.front.Serve(l)
	_ = l.Close()
	s.removeListener(l)
	switch {
	case s.draining.Load():
		return ErrServerClosed
	case err == nil:
		return fmt.Errorf("serve %s: %w", ln.Addr(), net.ErrClosed)
	}
	return fmt.Errorf("serve %s: %w", ln.Addr(), err)
}

// init sets what Serve and Shutdown need. Of fasthttp's server we use the accept
// loop and the workers; the package's doc gives the reasons.
func (s *Server) init() {
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.Dialer == nil {
		s.Dialer = &l4.Dialer{Timeout: 2 * time.Second}
	}
	if s.MaxHeader <= 0 {
		s.MaxHeader = defaultMaxHeader
	}
	if s.Relays != nil && s.CutOnDown {
		s.Relays.CutOnDown = true
	}
	s.limits = limits{pulses(s.HeaderTimeout), pulses(s.IdleTimeout), pulses(s.BackendTimeout), pulses(s.LastRequest)}
	s.upstreams.init(s)
	s.Slots.OnFull(s.idleCount, s.giveWay)
	s.mu.Lock() // Stats may be asked for already
	s.listeners, s.conns = map[*listener]struct{}{}, map[*conn]struct{}{}
	s.mu.Unlock()
	s.empty = make(chan struct{})
	s.front = fasthttp.Server{
		Logger: frontLogger{s.Logger},
		// fasthttp answers 503 in plain text past its limit of connections, 262144
		// if it is not set. Limits are the listener's matter, so there is none here.
		Concurrency: math.MaxInt32,
		// Idle workers, and the goroutine that ends them, go after this time; that
		// one outlives Serve by as much.
		MaxIdleWorkerDuration: 100 * time.Millisecond,
	}
	// A connection that has agreed on no protocol by TLS speaks the protocol "".
	// Given a handler, it never enters fasthttp's own loop over requests, and none
	// of that loop's time-outs, limits and headers apply.
	s.front.NextProto("", func(nc net.Conn) error {
		s.serveConn(nc)
		return nil
	})
}

// frontLogger takes what fasthttp's accept loop logs.
type frontLogger struct{ log *slog.Logger }

func (l frontLogger) Printf(format string, args ...any) {
	l.log.Debug("accept loop", "msg", fmt.Sprintf(format, args...))
}

func (s *Server) addListener(l *listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.listeners[l] = struct{}{}
	if s.stopWatch == nil {
		s.startWatchLocked()
	}
	return true
}

// startWatchLocked starts the goroutine that keeps the time limits.
func (s *Server) startWatchLocked() {
	ctx, stop := context.WithCancel(context.Background())
	s.stopWatch = stop
	s.watches.Go(func() { s.watch(ctx.Done()) })
}

func (s *Server) removeListener(l *listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	s.checkEmptyLocked()
}

// add registers a connection. It returns false once all connections have been cut.
func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arriving.Add(-1)
	if s.cut {
		s.checkEmptyLocked()
		return false
	}
	s.conns[c] = struct{}{}
	s.accepted++
	return true
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if c.spared {
		s.Slots.Spared()
	}
	s.received += c.received.Load()
	s.sent += c.sent.Load()
	s.checkEmptyLocked()
}
