package l4

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"fourseven/health"
)

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("l4: server closed")

// Server accepts TCP connections and relays each to a backend of the pool. Its
// exported fields are set before Serve and do not change afterwards.
type Server struct {
	Pool   *health.Pool
	Dialer *health.Dialer
	// Retries is how many further backends are tried after a failed dial.
	Retries int
	Logger  *slog.Logger

	mu       sync.Mutex
	ln       net.Listener
	closing  bool
	closed   chan struct{} // made by closec
	sessions map[*session]struct{}
	wg       sync.WaitGroup // one a session; Add only under mu while !closing
}

// session is one client connection with what became of it.
type session struct {
	client stream
	ctx    context.Context // of the dial; ended by resetAll
	cancel context.CancelFunc
	relay  *relay // nil while dialling; under Server.mu
}

// Serve accepts connections on ln until Shutdown. It always returns a non-nil
// error; after Shutdown that is ErrServerClosed. It closes ln. No error of Accept
// ends it but the listener's closing.
func (s *Server) Serve(ln net.Listener) error {
	defer func() { _ = ln.Close() }()
	if !s.track(ln) {
		return ErrServerClosed
	}
	var pause time.Duration
	for {
		conn, err := ln.Accept()
		if err == nil {
			pause = 0
			s.start(conn.(stream))
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return ErrServerClosed
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.Logger.Error("accept", "frontend", "l4", "err", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-s.closec():
			return ErrServerClosed
		}
	}
}

// track keeps the listener for Shutdown to close. It reports whether the server
// may serve.
func (s *Server) track(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.ln = ln
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

func (s *Server) start(client stream) {
	ctx, cancel := context.WithCancel(context.Background())
	ses := &session{client: client, ctx: ctx, cancel: cancel}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		cancel()
		reset(client)
		return
	}
	if s.sessions == nil {
		s.sessions = make(map[*session]struct{})
	}
	s.sessions[ses] = struct{}{}
	s.wg.Go(func() { s.handle(ses) })
}

// handle lives as long as the session.
func (s *Server) handle(ses *session) {
	defer s.forget(ses)
	backend, ending := s.connect(ses)
	if backend != nil {
		defer backend.Release()
		ending = ses.relay.run()
	}
	s.Logger.Debug("connection ended", "frontend", "l4", "client", ses.client.RemoteAddr(), "reason", ending)
}

// connect gives the session its relay. If it cannot, the client is reset and the
// ending says why.
func (s *Server) connect(ses *session) (*health.Backend, Ending) {
	conn, b, ending := s.dial(ses.ctx)
	if conn == nil {
		reset(ses.client)
		return nil, ending
	}
	r, err := newRelay(ses.client, conn.(stream))
	if err != nil {
		reset(ses.client)
		reset(conn.(stream))
		b.Release()
		return nil, ConnectFailed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ses.relay = r
	if ses.ctx.Err() != nil {
		r.cut(Drain)
	}
	return b, ""
}

func (s *Server) forget(ses *session) {
	ses.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, ses)
}

// Active returns how many connections live.
func (s *Server) Active() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Shutdown closes the listener and waits for the live connections to end. When
// the context is done it resets what remains and returns the context's error.
// No goroutine of the server is left when it returns.
func (s *Server) Shutdown(ctx context.Context) error {
	s.close()

	donec := make(chan struct{})
	go func() { s.wg.Wait(); close(donec) }()
	select {
	case <-donec:
		return nil
	case <-ctx.Done():
	}
	s.resetAll()
	<-donec
	return ctx.Err()
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

func (s *Server) resetAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ses := range s.sessions {
		ses.cancel()
		if ses.relay != nil {
			ses.relay.cut(Drain)
		}
	}
}
