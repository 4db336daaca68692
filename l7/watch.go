package l7

import (
	"context"
	"sync/atomic"
	"time"

	"fourseven/l4"
)

// pulse is how often the watch looks at the connections. Time-outs are kept to
// within two pulses, and are never early.
const pulse = 50 * time.Millisecond

// reapEvery is the time, in pulses, between two looks for backend connections that have
// been idle for too long.
const reapEvery = 5

// sightings is how many looks in a row, two pulses apart, must find the client's side
// closed before the client counts as gone. It is for responses in which early cannot
// find out whether it is gone: in a body that is not chunked, while no bytes come.
const sightings = 3

// watched is the part of a connection that other goroutines use to look at it and to
// stop it: the watch, Shutdown, CutBackend.
type watched struct {
	state state
	early early
	// uploading is what the upload of the present request waits for: noUpload and so on.
	uploading atomic.Uint32
	// awaited is what the exchange waits for in the phase relaying: forStream and so on.
	awaited atomic.Uint32
	// backend is the connection that the present request was sent over, or nil.
	backend atomic.Pointer[backendConn]
	// cancelDial ends the dial for the present request. It is nil if there is none.
	cancelDial atomic.Pointer[context.CancelFunc]

	// The rest is guarded by Server.mu.
	sock   socket
	pace   pace
	taken  int64  // by the client of a write that waits, at the last look
	spared bool   // the connection's slot was released before the connection ends
	seen   int    // looks in a row that found the client's side closed
	seenIn uint32 // the state's word then
}

// The states of an upload.
const (
	noUpload    uint32 = iota // none has begun, or it has ended
	readingBody               // waits for the client
	sendingBody               // waits for the backend
)

// watch keeps the time-outs of all connections and finds the clients that left. One
// goroutine that looks at every connection twenty times a second saves each request
// some five deadlines and, while it waits for the backend, a goroutine.
func (s *Server) watch(done <-chan struct{}) {
	ticker := time.NewTicker(pulse)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case t := <-ticker.C:
			s.date.set(t)
		}
		now := s.now.Add(1)
		s.mu.Lock()
		for c := range s.conns {
			c.inspect(now)
		}
		s.mu.Unlock()
		if now%reapEvery == 0 {
			s.upstreams.reap(now)
		}
	}
}

// pulses converts a time-out. Zero stays zero: no time-out.
func pulses(d time.Duration) uint32 {
	return uint32((d + pulse - 1) / pulse)
}

// inspect looks at one connection. It does not block.
func (c *conn) inspect(now uint32) {
	word := c.state.word.Load()
	if causeOf(word) != running {
		return
	}
	if phaseOf(word) <= idle && c.srv.draining.Load() {
		c.retire(now, word)
	}
	if phaseOf(word) == relaying {
		c.noteTaken()
	}
	quiet := now - c.state.since.Load()
	if limit, why := c.limit(phaseOf(word)); limit > 0 && quiet > limit || c.tooSlow(word, limit) {
		if c.state.stopIf(word, why) {
			c.interrupt()
		}
		return
	}
	if now%2 == 0 && quiet > 1 && c.gone(word) && c.state.stopIf(word, clientLeft) {
		c.interrupt()
	}
}

// limit returns how many pulses may pass in the phase without a byte, and the cause
// of the stop after that. 0 is no limit.
func (c *conn) limit(p phase) (uint32, cause) {
	t := &c.srv.limits
	switch p {
	case fresh, reading:
		return t.header, timedOut
	case idle:
		return t.idle, timedOut
	case waiting:
		if c.uploading.Load() == readingBody {
			return t.idle, slowBody
		}
		return t.backend, timedOut
	case relaying:
		if t.idle > 0 && t.backend > 0 {
			return max(t.idle, t.backend), timedOut
		}
	}
	return 0, timedOut
}

// gone reports whether the client has left before it got its response. The end of its
// stream does not show that while an upload is being read: it may be the upload's end.
func (c *conn) gone(word uint32) bool {
	if p := phaseOf(word); p != waiting && p != relaying {
		return false
	}
	ended, broken := c.sock.left()
	if broken {
		return true
	}
	ended = ended && c.uploading.Load() == noUpload
	proven := c.early.probe(&c.sock, ended)
	if !ended {
		c.seen = 0
		return false
	}
	if proven {
		return false // if the client is gone, its reset breaks the connection
	}
	if word != c.seenIn {
		c.seen, c.seenIn = 0, word
	}
	c.seen++
	return c.seen >= sightings
}

// interrupt ends all waiting of a stopped connection's goroutines. They find the
// cause in its state.
func (c *conn) interrupt() {
	_ = c.nc.SetDeadline(l4.LongAgo)
	if bc := c.backend.Load(); bc != nil {
		_ = bc.nc.SetDeadline(l4.LongAgo)
	}
	if cancel := c.cancelDial.Load(); cancel != nil {
		(*cancel)()
	}
}
