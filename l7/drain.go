package l7

import (
	"context"
	"time"

	"fourseven/l4"
)

// checkEmptyLocked ends the wait of Shutdown when nothing is left.
func (s *Server) checkEmptyLocked() {
	if !s.draining.Load() || len(s.conns)+len(s.listeners) > 0 || s.arriving.Load() > 0 {
		return
	}
	select {
	case <-s.empty:
	default:
		close(s.empty)
	}
}

// Shutdown closes the listeners, those with a method CloseWhenEmpty when they are
// empty, and the connections that wait for a request for longer than LastRequest. It
// waits for the requests in flight, which finish with "Connection: close", and for
// upgraded connections. When the context ends first, all that is left is closed and the error
// is the context's. Nothing that the Server started outlives it, but for a
// goroutine of fasthttp's accept loop that ends within 0.1 s.
func (s *Server) Shutdown(ctx context.Context) error {
	s.start.Do(s.init)
	s.beginDrain()
	var err error
	select {
	case <-s.empty:
	case <-ctx.Done():
		err = ctx.Err()
		s.closeAll()
		<-s.empty
	}
	s.endWatch()
	s.upstreams.close()
	return err
}

// beginDrain ends the listeners. The watch ends the connections that wait for a
// request.
func (s *Server) beginDrain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drainFrom = s.now.Load()
	s.draining.Store(true)
	for l := range s.listeners {
		l.CloseWhenEmpty()
	}
	s.checkEmptyLocked()
}

// closeAll ends every connection, in whatever phase. Upgraded connections are their
// relays' to end: a relay that is parked would not notice its connections' closing,
// and one that notices would not know why.
func (s *Server) closeAll() {
	if s.Relays != nil {
		s.Relays.CutAll()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	for l := range s.listeners {
		_ = l.Close()
	}
	for c := range s.conns {
		c.closeNow()
	}
}

// closeNow stops and resets the connection, unless it is upgraded.
func (c *conn) closeNow() {
	for {
		word := c.state.word.Load()
		if phaseOf(word) == tunnelling {
			return
		}
		if causeOf(word) != running || c.state.stopIf(word, closing) {
			break
		} // else it is in another phase by now: look again
	}
	c.interrupt()
	l4.Reset(c.nc)
	if bc := c.backend.Load(); bc != nil {
		l4.Reset(bc.nc)
	}
}

// endWatch ends what keeps the time limits, once there are no connections.
func (s *Server) endWatch() {
	s.mu.Lock()
	stop := s.stopWatch
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	s.watches.Wait()
}

// retire ends a connection that has waited for its last request for long enough.
// One whose request has come, if only to the socket, is left alone.
func (c *conn) retire(now, word uint32) {
	waits := min(now-c.srv.drainFrom, now-c.state.since.Load())
	if waits > c.srv.limits.lastRequest && c.sock.quiet() && c.state.stopIf(word, closing) {
		c.endStream()
	}
}

// endStream ends our side of an idle connection. Its goroutine ends it when the
// client has, or has sent what it can no longer be answered. Closing it at once
// would reset a client that is just sending.
func (c *conn) endStream() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		_ = c.nc.Close()
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerGap))
}
