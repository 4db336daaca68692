package l4

import (
	"context"
	"maps"
	"math/rand/v2"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fourseven/health"
)

// Relays holds the relays that live, and cuts those that are past a time limit.
// The data path never looks at a clock: Sweep compares byte counters instead. Its
// exported fields are set before use, and zero is no limit.
type Relays struct {
	// IdleTimeout is the silence in both directions that ends a relay,
	// HalfCloseTimeout the same once one side has ended its stream.
	IdleTimeout, HalfCloseTimeout time.Duration
	// MaxAge is the age at which a relay is cut, spread by ±10 % so that those that
	// began together do not end together.
	MaxAge time.Duration
	// CutOnDown makes sure that no relay begins to a backend that CutBackend was
	// called for.
	CutOnDown bool

	userTimeout time.Duration // userTimeout but in tests
	parkAfter   time.Duration // the same constant but in tests

	parker atomic.Pointer[parker] // while Sweep runs

	mu             sync.Mutex
	live           map[*relay]struct{}
	closed         bool
	received, sent int64 // by relays that have ended
	parks          int   // since memory was last given back
	released       time.Time
}

const (
	// parkAfter is the silence after which a relay gives up its goroutines. Parking
	// costs about what a message does, so short connections are spared it.
	parkAfter = time.Second
	// After releaseParks parked directions what their goroutines held is worth giving
	// back to the system, every releasePause at most.
	releaseParks = 1024
	releasePause = 30 * time.Second
)

// Run relays the two connections, the second one to b, until both directions have
// ended, and closes them. It returns the bytes from and to the client, and why it
// ended.
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

// start begins a relay and returns. The function is called once, when both
// connections are closed.
func (rs *Relays) start(r *relay, finished func(Ending)) {
	r.finished = func(why Ending) {
		rs.remove(r)
		finished(why)
	}
	rs.add(r)
	r.start()
}

func (rs *Relays) add(r *relay) {
	r.relays = rs
	now := time.Now()
	r.watch.since = now
	if rs.MaxAge > 0 {
		r.watch.expires = now.Add(spread(rs.MaxAge))
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.live == nil {
		rs.live = make(map[*relay]struct{})
	}
	rs.live[r] = struct{}{}
	if rs.closed {
		r.cut(Drain)
	}
	if rs.CutOnDown && r.of != nil && r.of.Down() {
		r.cut(BackendDown) // it went down since it was dialled
	}
}

func (rs *Relays) remove(r *relay) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.live, r)
	rs.received += r.received()
	rs.sent += r.sent()
	r.count()
}

// Bytes returns how many bytes clients have sent and were sent, those of live
// connections included.
func (rs *Relays) Bytes() (received, sent int64) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	received, sent = rs.received, rs.sent
	for r := range rs.live {
		received += r.received()
		sent += r.sent()
	}
	return received, sent
}

// CutAll cuts what lives, and what is added later.
func (rs *Relays) CutAll() {
	rs.mu.Lock()
	rs.closed = true
	live := slices.Collect(maps.Keys(rs.live))
	rs.mu.Unlock()
	for _, r := range live {
		r.cut(Drain)
	}
}

// CutBackend cuts the relays to a backend that went down, and returns how many
// there were.
func (rs *Relays) CutBackend(b *health.Backend) int {
	its := rs.of(b)
	for _, r := range its {
		r.cut(BackendDown)
	}
	return len(its)
}

// Sweep cuts relays that are past a limit, and parks those that are silent, until
// the context is done. That must not be before all relays have ended.
func (rs *Relays) Sweep(ctx context.Context) error {
	if rs.userTimeout == 0 {
		rs.userTimeout = userTimeout
	}
	if rs.parkAfter == 0 {
		rs.parkAfter = parkAfter
	}
	defer rs.startParker()()
	tick := time.NewTicker(rs.resolution())
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			if rs.mayRelease(now) {
				debug.FreeOSMemory()
			}
			rs.sweep(now)
		}
	}
}

// startParker returns what stops it. Without a parker each relay keeps its
// goroutines.
func (rs *Relays) startParker() (stop func()) {
	p, err := newParker()
	if err != nil {
		return func() {}
	}
	rs.parker.Store(p)
	donec := make(chan struct{})
	go func() { p.run(); close(donec) }()
	return func() {
		p.close()
		<-donec
	}
}

// resolution is a tenth of the shortest limit, and half of parkAfter at most.
func (rs *Relays) resolution() time.Duration {
	d := time.Second
	for _, limit := range []time.Duration{rs.IdleTimeout, rs.HalfCloseTimeout, rs.MaxAge, rs.userTimeout, 5 * rs.parkAfter} {
		if limit > 0 {
			d = min(d, limit/10)
		}
	}
	return max(d, time.Millisecond)
}

func (rs *Relays) sweep(now time.Time) {
	for r, why := range rs.past(now) {
		r.cut(why) // without the lock: it may have to wait
	}
}

// past returns the relays that are past a limit, and why.
func (rs *Relays) past(now time.Time) map[*relay]Ending {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var past map[*relay]Ending
	for r := range rs.live {
		if why := rs.inspect(r, now); why != "" {
			if past == nil {
				past = make(map[*relay]Ending)
			}
			past[r] = why
		}
	}
	return past
}

// mayRelease reports whether enough goroutines have gone that their stacks should
// follow. They went at the last tick or before.
func (rs *Relays) mayRelease(now time.Time) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.parks < releaseParks || now.Sub(rs.released) < releasePause {
		return false
	}
	rs.parks, rs.released = 0, now
	return true
}

// inspect does for the relay what its silence calls for. It returns why it is
// past a limit, or nothing.
func (rs *Relays) inspect(r *relay, now time.Time) Ending {
	w := &r.watch
	r.count()
	if !w.tuned {
		w.tuned = true
		r.tune()
	}
	if w.note(r, now) {
		r.impatient(rs.userTimeout)
	}
	silence := now.Sub(w.since)
	if silence > rs.parkAfter && !w.half {
		rs.parks += r.up.askToPark() + r.down.askToPark()
	}
	if silence > rs.userTimeout/4 && now.Sub(w.asked) > rs.userTimeout/4 {
		w.asked = now
		r.patient(rs.userTimeout)
	}
	return rs.overdue(r, now)
}

// overdue returns why the relay is past a limit, or nothing.
func (rs *Relays) overdue(r *relay, now time.Time) Ending {
	w := &r.watch
	if !w.expires.IsZero() && now.After(w.expires) {
		return MaxAge
	}
	limit, why := rs.IdleTimeout, Idle
	if w.half {
		limit, why = rs.HalfCloseTimeout, HalfCloseTimeout
	}
	silence := now.Sub(w.since)
	if limit == 0 || silence < limit {
		if !w.sampled && silence >= limit/2 {
			w.queued, w.sampled = r.queued(), true
		}
		return ""
	}
	// What the kernel still delivers is not silence.
	if queued := r.queued(); queued != w.queued {
		w.queued, w.since = queued, now
		return ""
	}
	return why
}

// spread returns d ±10 %.
func spread(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}
