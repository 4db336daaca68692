package l4

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fourseven/health"
	"fourseven/internal/loop"
)

// Relays holds the open relays. It cuts those that are past a limit, and those that it
// is asked to cut. The exported fields are set before use; the methods are for
// goroutines, not for fibers, because they ask the loops.
type Relays struct {
	// Loops are the event loops that the relays run in. A Server sets its own.
	Loops  *loop.Group
	Limits Limits
	// CutOnDown makes sure that no relay begins to a backend that CutBackend was
	// called for.
	CutOnDown bool

	userTimeout time.Duration // the constant userTimeout except in tests

	closed atomic.Bool // every relay is cut
	init   sync.Once
	began  time.Time                   // of every moment
	sets   atomic.Pointer[[]*relaySet] // one for each loop; nil before the first relay
}

// Start begins a relay of two connections of a loop, the second one to b, in a fiber of
// that loop, and returns. ended is called once, in a fiber, when both connections are
// closed, with the bytes from and to the client and why the relay ended.
func (rs *Relays) Start(client, backend Conn, b *health.Backend, ended func(received, sent int64, why Ending)) {
	r := &relay{}
	r.init(client, backend, b)
	r.finished = func(why Ending) { ended(r.received(), r.sent(), why) }
	rs.start(r)
}

// start begins a relay, in a fiber of its loop, and returns. Its session or finished is
// called once, in a fiber, when both connections are closed.
func (rs *Relays) start(r *relay) {
	rs.setOf(r.client.Loop()).add(r)
	switch {
	case rs.closed.Load():
		r.end(Drain)
	case rs.CutOnDown && r.of != nil && r.of.Down(): // it went down after the dial
		r.end(BackendDown)
	default:
		r.start()
	}
}

// setOf returns the relays of a loop.
func (rs *Relays) setOf(l *loop.Loop) *relaySet {
	rs.init.Do(func() {
		rs.began = time.Now()
		var sets []*relaySet
		for _, l := range rs.Loops.Loops() {
			sets = append(sets, &relaySet{relays: rs, loop: l})
		}
		rs.sets.Store(&sets)
	})
	sets := *rs.sets.Load()
	return sets[slices.IndexFunc(sets, func(s *relaySet) bool { return s.loop == l })]
}

// now returns the time since the first relay.
func (rs *Relays) now() moment { return time.Since(rs.began) }

// each calls a function in a fiber of each loop, one after the other, and waits for it.
func (rs *Relays) each(do func(*relaySet)) {
	sets := rs.sets.Load()
	if sets == nil {
		return
	}
	for _, s := range *sets {
		donec := make(chan struct{})
		if !s.loop.Go(func() { defer close(donec); do(s) }) {
			do(s) // the loop has ended, and no other goroutine uses it
			continue
		}
		<-donec
	}
}

// Bytes returns how many bytes came from clients and went to them, over open
// relays and those that have ended.
func (rs *Relays) Bytes() (received, sent int64) {
	rs.each(func(s *relaySet) {
		for _, p := range s.open {
			p.relay.report()
		}
		received += s.received
		sent += s.sent
	})
	return received, sent
}

// RecentBytes is Bytes as of the last look at each relay, which was a few seconds ago at
// most.
func (rs *Relays) RecentBytes() (received, sent int64) {
	rs.each(func(s *relaySet) {
		received += s.received
		sent += s.sent
	})
	return received, sent
}

// Open returns how many relays to the backend are open.
func (rs *Relays) Open(b *health.Backend) int { return len(rs.to(b)) }

// to returns the open relays to the backend.
func (rs *Relays) to(b *health.Backend) (open []*relay) {
	rs.each(func(s *relaySet) {
		for _, p := range s.open {
			if p.relay.of == b {
				open = append(open, p.relay)
			}
		}
	})
	return open
}
