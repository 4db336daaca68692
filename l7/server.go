package l7

import (
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
	"fourseven/internal/loop"
	"fourseven/l4"
)

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("l7: server closed")

// defaultMaxHeader is what MaxHeader means when it is zero.
const defaultMaxHeader = 64 << 10

// dialTimeout bounds a dial of the dialer that a Server without one uses.
const dialTimeout = 2 * time.Second

// Server forwards HTTP/1 requests to the backends of a pool. Its fields are set
// before Serve. Durations of zero are no limit.
type Server struct {
	// Pool picks a backend for each request.
	Pool *health.Pool
	// Loops are the event loops that the connections are served in, of l4.NewLoops. They
	// may be shared, and must not be closed before Shutdown has returned. If nil, the
	// Server starts some of its own, which Shutdown ends.
	Loops *loop.Group
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
	// TLS ends the clients' TLS. If nil, they speak plain HTTP.
	TLS *l4.TLSServer
	// Gate decides which clients are allowed, and reads PROXY headers. If nil, all
	// clients are allowed.
	Gate *l4.Gate
	// Logger takes a debug line for each request that was not forwarded, warnings about
	// malformed responses, and errors about failed accepts and requests that panicked,
	// each once a second at most. If nil, nothing is logged.
	Logger *slog.Logger
	// Relays has the time limits of upgraded connections, and holds the open ones. It
	// belongs to this Server alone. If nil, requests for an upgrade are forwarded without
	// asking for it.
	Relays *l4.Relays
	// Served is called after each request, in its event loop: it must not block; the
	// Record is valid during the call. It may be nil.
	Served func(*Record)
	// Ended is called once for each connection, when it is closed, in its event loop: it
	// must not block. It may be nil.
	Ended func(Closing)
	// CutOnDown makes sure that no request goes to a backend that CutBackend was
	// called for, and that no upgraded connection to it begins.
	CutOnDown bool

	routes *Routes   // of RouteTo, or nil
	others []*Server // that the routes choose from
	router *Server   // whose routes choose this one, or that is this one; nil without

	active    atomic.Int64 // exchanges
	retries   atomic.Uint64
	failures  atomic.Uint64 // of Accept
	draining  atomic.Bool
	drainFrom uint32      // pulse in which the drain began; set before draining
	over      atomic.Bool // the watches end
	limits    limits
	upstreams upstreams
	panics    health.Throttle
	malformed health.Throttle // of lines about responses
	front     fasthttp.Server
	start     sync.Once
	own       *loop.Group // Loops, if the Server has started them
	unable    error       // why it could not
	began     time.Time   // of the pulses
	loops     atomic.Pointer[[]*ofLoop]
	giving    sync.Mutex // held while a connection is looked for that gives way

	mu        sync.Mutex
	listeners map[*l4.Listener]struct{}
	// open counts the calls of Serve and the connections. It grows only while
	// draining is false or another call of Serve is counted.
	// Servers of one RouteTo share it.
	open *sync.WaitGroup
}

// limits are the time-outs in pulses.
type limits struct{ header, idle, backend, lastRequest uint32 }

// Active returns how many requests are being served, upgraded connections included.
func (s *Server) Active() int { return int(s.active.Load()) }

// Serve accepts connections on ln, a *net.TCPListener, a *net.UnixListener or a
// *l4.Shared, and serves them until Shutdown, and closes ln. It may be called for several
// listeners. Its error is never nil: ErrServerClosed after Shutdown, another one if the
// event loops could not be started or were closed. No failure of ln ends it.
func (s *Server) Serve(ln net.Listener) error { return s.serve(ln, s.begin) }

func (s *Server) serve(ln net.Listener, begin func(*loop.Conn)) error {
	s.start.Do(s.init)
	l := &l4.Listener{Listener: ln, Frontend: "l7", Slots: s.Slots, Logger: s.Logger, Failures: &s.failures}
	defer func() { _ = l.Close() }()
	if s.unable != nil {
		return s.unable
	}
	err := l.ListenIn(s.Loops)
	if !s.addListener(l) {
		return ErrServerClosed
	}
	defer s.removeListener(l)
	if err == nil {
		err = l.ServeIn(begin)
	}
	if s.draining.Load() {
		return ErrServerClosed
	}
	return fmt.Errorf("serve %s: %w", ln.Addr(), err)
}

// init sets what Serve and Shutdown need.
func (s *Server) init() {
	if s.open == nil {
		s.open = new(sync.WaitGroup)
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	if s.Dialer == nil {
		s.Dialer = &l4.Dialer{Timeout: dialTimeout}
	}
	if s.MaxHeader <= 0 {
		s.MaxHeader = defaultMaxHeader
	}
	if s.Loops == nil {
		s.own, s.unable = l4.NewLoops(s.Logger, 0)
		s.Loops = s.own
	}
	if s.unable != nil {
		return
	}
	if s.Relays != nil {
		s.Relays.Loops = s.Loops
		s.Relays.CutOnDown = s.Relays.CutOnDown || s.CutOnDown
	}
	for _, other := range s.others {
		if other.Loops == nil {
			other.Loops = s.Loops
		}
		other.start.Do(other.init)
	}
	s.limits = limits{pulses(s.HeaderTimeout), pulses(s.IdleTimeout), pulses(s.BackendTimeout), pulses(s.LastRequest)}
	s.upstreams.init(s, len(s.Loops.Loops()))
	s.startLoops()
	s.Slots.OnFull(s.idleCount, s.giveWay)
	s.listeners = map[*l4.Listener]struct{}{}
	// fasthttp answers 503 in plain text past its limit of connections, 262144 if it is
	// not set. Limits are the listener's matter, so there is none here.
	s.front = fasthttp.Server{Concurrency: math.MaxInt32}
	// A connection that has agreed on no protocol by TLS speaks the protocol "".
	// Given a handler, it never enters fasthttp's own loop over requests, and none
	// of that loop's time-outs, limits and headers apply.
	s.front.NextProto("", serveRequests)
}

// addListener registers a listener. It reports whether the server may serve.
func (s *Server) addListener(l *l4.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	s.open.Add(1)
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) removeListener(l *l4.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	s.open.Done()
}
