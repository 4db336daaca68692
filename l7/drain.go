package l7

import (
	"context"
	"time"

	"fourseven/l4"
)

// checkEmptyLocked ends the wait of Shutdown if no connection is left.
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

// Shutdown closes the listeners; one with a method CloseWhenEmpty is emptied first. It
// closes the connections that have waited for a request for longer than LastRequest,
// and waits for the requests in flight, which finish with "Connection: close", and for
// upgraded connections. When the context is done, Shutdown resets the remaining
// connections and returns the context's error. No goroutine of the Server is left when
// it returns, but for one of fasthttp's accept loop that ends within 0.1 s.
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

// beginDrain ends accepting. The watch ends the connections that wait for a request.
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

// closeAll ends every connection, in whatever phase. Upgraded connections are those of
// Relays, which cuts them.
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
		if phaseOf(word) == upgraded {
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

// endWatch ends the goroutine that keeps the time limits, once there are no connections.
func (s *Server) endWatch() {
	s.mu.Lock()
	stop := s.stopWatch
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	s.watches.Wait()
}

// retire ends a connection that has waited for its last request for longer than
// LastRequest, unless bytes of a request wait in its socket.
func (c *conn) retire(now, word uint32) {
	waits := min(now-c.srv.drainFrom, now-c.state.since.Load())
	if waits > c.srv.limits.lastRequest && c.sock.quiet() && c.state.stopIf(word, closing) {
		c.endStream()
	}
}

// endStream ends our side of an idle connection. Its goroutine closes it when the
// client ends its side or sends another request. Closing it at once would reset a
// client that is just sending.
func (c *conn) endStream() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		_ = c.nc.Close()
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerGap))
}
