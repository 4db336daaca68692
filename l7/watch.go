package l7

import (
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

// watched is the state of a connection that its fibers report to the watch, and the
// watch's own.
type watched struct {
	uploading uint8 // what the upload of the present request waits for: noUpload and so on
	awaited   uint8 // what the exchange waits for in the phase relaying: forStream and so on

	pace   pace
	taken  int64  // by the client of a write that waits, at the last look
	seen   int    // looks in a row that found the client's side closed
	seenIn uint32 // the phase then
}

// The states of an upload.
const (
	noUpload    uint8 = iota // none has begun, or it has ended
	readingBody              // waits for the client
	sendingBody              // waits for the backend
)

// doze is the pause of the watch of a loop without requests. It doubles while there are
// none, up to doze << longDoze.
const (
	doze     = time.Second
	longDoze = 4
)

// watch is a fiber that keeps the time-outs of a loop's connections and finds the
// clients that left. To look at every connection that has a request twenty times a second
// saves each request some five deadlines. Of the others it looks at those that have waited
// longest. While there is no request it dozes; rouse then starts another one in its place.
func (l *ofLoop) watch() {
	for turn := l.turn; !l.srv.over.Load(); {
		pause := l.pause()
		l.dozing = pause > pulse
		if l.Sleep(pause) != nil || turn != l.turn {
			return
		}
		if l.dozing {
			l.dozes = min(l.dozes+1, longDoze)
		}
		l.tick()
		l.look()
	}
}

// pause returns the time until the next look.
func (l *ofLoop) pause() time.Duration {
	if l.busy.len > 0 || l.srv.draining.Load() {
		l.dozes = 0
		return pulse
	}
	most := doze << l.dozes
	if l.index == 0 && l.srv.upstreams.idle.Load() > 0 {
		most = reapEvery * pulse
	}
	for _, q := range []*queue{&l.fresh, &l.idle} {
		if q.first != nil {
			if limit, _ := q.first.limit(); limit > 0 {
				most = min(most, time.Duration(int32(q.first.since+limit+1-l.now))*pulse)
			}
		}
	}
	return max(most, pulse)
}

// rouse has the watch look once a pulse.
func (l *ofLoop) rouse() {
	if l.dozing {
		l.dozing, l.dozes = false, 0
		l.turn++
		l.tick()
		l.Go(l.watch)
	}
}

func (l *ofLoop) look() {
	l.looks++
	l.expire(&l.fresh, l.srv.limits.header)
	l.expire(&l.idle, l.srv.limits.idle)
	if l.srv.draining.Load() {
		l.fresh.each((*conn).retire)
		l.idle.each((*conn).retire)
	}
	l.busy.each((*conn).inspect)
	if l.index == 0 && (l.looks%reapEvery == 0 || l.busy.len == 0) {
		l.srv.upstreams.reap(l.now)
	}
}

// tick sets the present time.
func (l *ofLoop) tick() {
	now := time.Now()
	l.now = l.srv.pulseAt(now)
	l.date.set(now)
}

// pulseAt returns the pulse of a time. Those of all loops are the same.
func (s *Server) pulseAt(t time.Time) uint32 { return uint32(t.Sub(s.began) / pulse) }

// pulses converts a time-out. Zero stays zero: no time-out.
func pulses(d time.Duration) uint32 {
	return uint32((d + pulse - 1) / pulse)
}

// expire stops the connections that have waited for a request for longer than the limit.
func (l *ofLoop) expire(q *queue, limit uint32) {
	for c := q.first; c != nil && limit > 0 && l.now-c.since > limit; c = q.first {
		c.stop(timedOut)
		c.interrupt()
	}
}

// inspect looks at one connection that has a request. It does not wait.
func (c *conn) inspect() {
	if c.stopped != running {
		return
	}
	if c.phase == relaying {
		c.noteTaken()
	}
	quiet := c.loop.now - c.since
	if limit, why := c.limit(); limit > 0 && quiet > limit || c.tooSlow(limit) {
		c.stop(why)
		c.interrupt()
		return
	}
	if c.loop.looks%2 == 0 && quiet > 1 && c.gone() {
		c.stop(clientLeft)
		c.interrupt()
	}
}

// limit returns how many pulses may pass in the phase without a byte, and the cause
// of the stop after that. 0 is no limit.
func (c *conn) limit() (uint32, cause) {
	t := &c.srv.limits
	switch c.phase {
	case fresh, reading:
		return t.header, timedOut
	case idle:
		return t.idle, timedOut
	case waiting:
		if c.uploading == readingBody {
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
func (c *conn) gone() bool {
	if c.phase != waiting && c.phase != relaying {
		return false
	}
	ended, broken := c.nc.PeerLeft()
	if broken {
		return true
	}
	ended = ended && c.uploading == noUpload
	proven := c.early.probe(c, ended)
	if !ended {
		c.seen = 0
		return false
	}
	if proven {
		return false // if the client is gone, its reset breaks the connection
	}
	if c.entered != c.seenIn {
		c.seen, c.seenIn = 0, c.entered
	}
	c.seen++
	return c.seen >= sightings
}

// interrupt ends all waiting of a stopped connection's fibers. They find the cause in
// its state.
func (c *conn) interrupt() {
	_ = c.nc.SetDeadline(l4.LongAgo)
	if c.backend != nil {
		_ = c.backend.nc.SetDeadline(l4.LongAgo)
	}
	if c.cancelDial != nil {
		c.cancelDial()
	}
}
