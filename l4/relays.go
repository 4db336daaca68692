package l4

import (
	"net"
	"sync"
	"time"

	"fourseven/health"
)

// Relays holds the open relays. It cuts those that Sweep finds past a limit, and
// those that it is asked to cut. The exported fields are set before use.
type Relays struct {
	Limits Limits
	// CutOnDown makes sure that no relay begins to a backend that CutBackend was
	// called for.
	CutOnDown bool

	userTimeout time.Duration // the constant userTimeout except in tests
	lot         parkingLot

	mu             sync.Mutex
	open           map[*relay]struct{}
	closed         bool  // every relay is cut
	received, sent int64 // by relays that have ended
}

// Run relays two connections, the second one to b, until both directions have
// ended, and closes them. It returns the bytes from and to the client, and why the
// relay ended.
func (rs *Relays) Run(client, backend net.Conn, b *health.Backend) (received, sent int64, why Ending) {
	r, err := newRelay(client.(stream), backend.(stream))
	if err != nil {
		Reset(client)
		Reset(backend)
		return 0, 0, ConnectFailed
	}
	r.of = b
	endc := make(chan Ending, 1)
	rs.start(r, func(why Ending) { endc <- why })
	why = <-endc
	return r.received(), r.sent(), why
}

// start begins a relay and returns. finished is called once, when both connections
// are closed.
func (rs *Relays) start(r *relay, finished func(Ending)) {
	r.finished = func(why Ending) {
		rs.remove(r)
		finished(why)
	}
	rs.add(r)
	r.start()
}

func (rs *Relays) add(r *relay) {
	r.lot = &rs.lot
	now := time.Now()
	r.activity.since = now
	r.expires = rs.Limits.expiry(now)
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.open == nil {
		rs.open = make(map[*relay]struct{})
	}
	rs.open[r] = struct{}{}
	if rs.closed {
		r.cut(Drain)
	}
	if rs.CutOnDown && r.of != nil && r.of.Down() {
		r.cut(BackendDown) // it went down after the dial
	}
}

func (rs *Relays) remove(r *relay) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.open, r)
	rs.received += r.received()
	rs.sent += r.sent()
	r.report()
}

// Bytes returns how many bytes came from clients and went to them, over open
// relays and those that have ended.
func (rs *Relays) Bytes() (received, sent int64) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	received, sent = rs.received, rs.sent
	for r := range rs.open {
		received += r.received()
		sent += r.sent()
	}
	return received, sent
}

// Open returns how many relays to the backend are open.
func (rs *Relays) Open(b *health.Backend) int { return len(rs.to(b)) }

// to returns the open relays to the backend.
func (rs *Relays) to(b *health.Backend) (open []*relay) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for r := range rs.open {
		if r.of == b {
			open = append(open, r)
		}
	}
	return open
}
