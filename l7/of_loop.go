package l7

import (
	"time"

	"fourseven/internal/loop"
	"fourseven/l4"
	"fourseven/l7/http1"
)

// ofLoop is what belongs to one event loop: its client connections and the watch over
// them.
type ofLoop struct {
	*loop.Loop
	srv   *Server
	index int    // of the loop in its group
	now   uint32 // the present pulse
	date  date
	looks uint32 // of the watch
	turn  uint32 // which fiber is the watch
	// dozing means that the watch sleeps for longer than a pulse.
	dozing bool
	dozes  int  // in a row
	cut    bool // all connections have been cut: those that come are reset

	open    []*conn // all of them
	listing l4.Listing

	fresh, idle queue // by how long they have been so
	busy        queue // those with a request, and those that have been stopped
	upgraded    queue
	stock       http1.Stock

	accepted       uint64
	numbered       uint64 // connections that were added to open
	received, sent int64  // bytes, without the latest of connections that are busy
}

func (l *ofLoop) queueOf(p phase) *queue {
	switch p {
	case fresh:
		return &l.fresh
	case idle:
		return &l.idle
	case upgraded:
		return &l.upgraded
	}
	return &l.busy
}

// queues returns all queues.
func (l *ofLoop) queues() [4]*queue { return [...]*queue{&l.fresh, &l.idle, &l.busy, &l.upgraded} }

// conns returns how many connections there are.
func (l *ofLoop) conns() (n int) {
	for _, q := range l.queues() {
		n += q.len
	}
	return n
}

// startLoops makes what belongs to each loop, and starts the watches.
func (s *Server) startLoops() {
	s.began = time.Now()
	var loops []*ofLoop
	for i, l := range s.Loops.Loops() {
		of := &ofLoop{Loop: l, srv: s, index: i}
		of.tick()
		of.Go(of.watch)
		loops = append(loops, of)
	}
	s.loops.Store(&loops)
}

// all returns what belongs to the loops; nothing before the server is set up.
func (s *Server) all() []*ofLoop {
	if loops := s.loops.Load(); loops != nil {
		return *loops
	}
	return nil
}

// of returns what belongs to the loop.
func (s *Server) of(l *loop.Loop) *ofLoop {
	for _, of := range s.all() {
		if of.Loop == l {
			return of
		}
	}
	panic("l7: connection of another group")
}

// call calls a function in a fiber of the loop, and waits for it. It must not be called
// by a fiber.
func (l *ofLoop) call(do func()) {
	donec := make(chan struct{})
	if !l.Go(func() { defer close(donec); do() }) {
		do() // the loop has ended, and no other goroutine uses it
		return
	}
	<-donec
}

// each calls a function for each loop, in a fiber of it.
func (s *Server) each(do func(*ofLoop)) {
	for _, l := range s.all() {
		l.call(func() { do(l) })
	}
}
