package l7

import (
	"context"
	"time"
)

// Shutdown closes the listeners; one with a method CloseWhenEmpty is emptied first. It
// closes the connections that have waited for a request for longer than LastRequest,
// and waits for the requests in flight, which finish with "Connection: close", and for
// upgraded connections. When the context is done, Shutdown resets the remaining
// connections and returns the context's error. No goroutine of the Server is left when
// it returns, unless the loops are shared: there the watches end within a second.
func (s *Server) Shutdown(ctx context.Context) error {
	s.start.Do(s.init)
	if r := s.router; r != nil && r != s {
		r.start.Do(r.init)
		r.beginDrain() // so that open grows no more
	}
	s.beginDrain()
	defer s.tearDown()
	emptyc := make(chan struct{})
	go func() { s.open.Wait(); close(emptyc) }()
	select {
	case <-emptyc:
		return nil
	case <-ctx.Done():
	}
	s.closeAll()
	<-emptyc
	return ctx.Err()
}

// beginDrain ends accepting. The watches end the connections that wait for a request.
func (s *Server) beginDrain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining.Load() {
		s.drainFrom = s.pulseAt(time.Now())
		s.draining.Store(true)
	}
	for l := range s.listeners {
		l.CloseWhenEmpty()
	}
	for _, l := range s.all() {
		l.Go(l.rouse)
	}
}

// closeAll ends every connection, in whatever phase. Upgraded connections are those of
// Relays, which cuts them.
func (s *Server) closeAll() {
	if s.Relays != nil {
		s.Relays.CutAll()
	}
	s.mu.Lock()
	for l := range s.listeners {
		_ = l.Close()
	}
	s.mu.Unlock()
	s.each(func(l *ofLoop) {
		l.cut = true
		for _, q := range []*queue{&l.fresh, &l.idle, &l.busy} {
			q.each((*conn).closeNow)
		}
	})
}

// closeNow stops and resets the connection.
func (c *conn) closeNow() {
	c.stop(closing)
	c.reset()
}

// reset resets a connection that has been stopped, and that of its backend.
func (c *conn) reset() {
	c.interrupt()
	_ = c.nc.Reset()
	if c.backend != nil {
		_ = c.backend.nc.Reset()
	}
}

// tearDown ends what served the connections, once there are none.
func (s *Server) tearDown() {
	s.over.Store(true)
	s.upstreams.close()
	if s.own != nil {
		_ = s.own.Close()
	}
}

// retire ends a connection that has waited for its last request for longer than
// LastRequest, unless bytes of a request wait in its socket.
func (c *conn) retire() {
	now := c.loop.now
	waits := min(int32(now-c.srv.drainFrom), int32(now-c.since))
	if waits > int32(c.srv.limits.lastRequest) && c.nc.Quiet() && c.stop(closing) {
		c.endStream()
	}
}

// endStream ends our side of an idle connection. It is closed when the client ends its
// side or sends another request. Closing it at once would reset a client that is just
// sending.
func (c *conn) endStream() {
	_ = c.nc.SetDeadline(time.Now().Add(lingerGap))
	if c.secured == nil {
		c.closeWrite()
		return
	}
	c.nc.Go(c.closeWrite) // it may have to wait for room
}

func (c *conn) closeWrite() {
	if c.nc.CloseWrite() != nil {
		_ = c.nc.Close()
	}
}
