package l7

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fourseven/health"
	"fourseven/l4"
)

const (
	// defaultKeepalive is below the 5 s after which common servers (Node.js, Apache)
	// close a connection: the proxy closes first, so that no request meets a closing
	// connection.
	defaultKeepalive = 4 * time.Second
	// defaultMaxBackendConns stays below the 28232 source ports that Linux has
	// towards one address, so that the cap is reached before dials fail.
	defaultMaxBackendConns = 16384
)

// backendHello is what a connection to a backend begins with.
var backendHello = l4.Hello{Protocols: []string{"http/1.1"}}

var errCap = errors.New("all connections to the backend are taken")

// upstreams holds a connection pool for each backend.
type upstreams struct {
	loops     int // how many there are
	dialer    *l4.Dialer
	max       int      // connections to one backend
	maxIdle   int64    // unused connections to all backends; 0 is no limit
	keepalive uint32   // pulses for which an unused connection is kept
	keepsNone bool     // each request has a connection of its own
	pools     sync.Map // *health.Backend to *upstream
	idle      atomic.Int64
}

func (u *upstreams) init(s *Server, loops int) {
	u.loops = loops
	u.dialer, u.max, u.maxIdle = s.Dialer, s.MaxBackendConns, int64(s.MaxIdleBackendConns)
	if u.max <= 0 {
		u.max = defaultMaxBackendConns
	}
	u.keepsNone = s.BackendKeepalive < 0
	u.keepalive = pulses(cmp.Or(s.BackendKeepalive, defaultKeepalive))
}

// of returns the backend's pool.
func (u *upstreams) of(b *health.Backend) *upstream {
	if pool, ok := u.pools.Load(b); ok {
		return pool.(*upstream)
	}
	pool, _ := u.pools.LoadOrStore(b, &upstream{all: u, backend: b, idle: make([][]*backendConn, u.loops)})
	return pool.(*upstream)
}

// reap closes the connections that were idle for too long, and forgets pools
// without connections, such as those of backends that left.
func (u *upstreams) reap(now uint32) {
	u.pools.Range(func(b, pool any) bool {
		if pool.(*upstream).reap(now) {
			u.pools.Delete(b)
		}
		return true
	})
}

// close closes all idle connections. Those in use are closed when they are put back.
func (u *upstreams) close() {
	u.pools.Range(func(_, pool any) bool {
		pool.(*upstream).close()
		return true
	})
}

// upstream is the pool of connections to one backend, each of which belongs to a loop.
// The connection used last is reused first, so that the others are idle long enough to
// be closed; but first one of the same loop.
type upstream struct {
	all     *upstreams
	backend *health.Backend

	mu      sync.Mutex
	idle    [][]*backendConn // of each loop; the one idle longest comes first
	open    int              // idle, in use, and being dialled
	waiters []waiter
	closed  bool
	pause   pause
}

// waiter is a fiber that waits for a connection to its loop, or with nil for a place.
type waiter struct {
	loop *ofLoop
	c    chan *backendConn // buffered
}

// reuse returns an idle connection that fits, or nil.
func (u *upstream) reuse(l *ofLoop) *backendConn {
	for {
		bc := u.pop(l.index)
		if bc == nil {
			bc = u.fetch(l)
		}
		if bc == nil || u.fits(bc) {
			return bc
		}
		bc.close()
	}
}

// fits reports whether a kept connection can serve another request: it is one to a present
// address of the backend, which has neither closed it nor sent anything unasked.
func (u *upstream) fits(bc *backendConn) bool {
	return u.backend.Has(bc.addr) && u.secures(bc) && bc.nc.Quiet()
}

// secures reports whether an idle connection has TLS if new ones have: the backend's entry
// in the list may have changed.
func (u *upstream) secures(bc *backendConn) bool {
	_, secure := bc.nc.(*l4.TLSConn)
	return secure == u.all.dialer.TLS.To(u.backend)
}

// pop takes the connection of a loop that was used last.
func (u *upstream) pop(loop int) *backendConn {
	u.mu.Lock()
	defer u.mu.Unlock()
	idle := u.idle[loop]
	n := len(idle)
	if n == 0 {
		return nil
	}
	bc := idle[n-1]
	idle[n-1] = nil
	u.idle[loop] = idle[:n-1]
	u.all.idle.Add(-1)
	return bc
}

// fetch takes an idle connection of another loop, and waits until it belongs to this one.
func (u *upstream) fetch(l *ofLoop) *backendConn {
	bc := u.popElsewhere(l.index)
	if bc == nil {
		return nil
	}
	from, w := bc.loop, waiter{l, make(chan *backendConn, 1)}
	if !from.Go(func() { u.hand(bc, w) }) {
		bc.close() // the loops are being closed
		return nil
	}
	var got *backendConn
	l.Await(func() { got = <-w.c })
	if got == nil {
		u.leave()
	}
	return got
}

// popElsewhere takes the connection that has been idle longest of another loop.
func (u *upstream) popElsewhere(loop int) *backendConn {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range u.idle {
		if i != loop && len(u.idle[i]) > 0 {
			return u.takeLocked(i, 1)[0]
		}
	}
	return nil
}

// hand gives a connection to a waiter. It is called by a fiber of the connection's loop.
func (u *upstream) hand(bc *backendConn, w waiter) {
	if bc == nil || bc.loop == w.loop {
		w.c <- bc
		return
	}
	bc.loop, bc.rd.Stock = w.loop, &w.loop.stock
	if !bc.nc.MoveTo(w.loop.Loop, func() { w.c <- bc }) {
		w.c <- nil // the connection is closed, and its place is the waiter's
	}
}

// dial opens a connection. At the cap it waits for one that is put back, or for a
// place, for as long as a dial may take.
func (u *upstream) dial(ctx context.Context, l *ofLoop) (*backendConn, error) {
	bc, err := u.place(ctx, l)
	if err != nil || bc != nil && u.fits(bc) {
		return bc, err
	}
	if bc != nil {
		bc.shut() // the new one takes its place
	}
	nc, err := u.all.dialer.DialIn(ctx, l.Loop, u.backend, backendHello)
	if err != nil {
		u.leave()
		return nil, err
	}
	return newBackendConn(nc, u, l), nil
}

// place takes a place for a new connection, or returns one that was put back.
func (u *upstream) place(ctx context.Context, l *ofLoop) (bc *backendConn, err error) {
	u.mu.Lock()
	if u.open < u.all.max {
		u.open++
		u.mu.Unlock()
		return nil, nil
	}
	w := waiter{l, make(chan *backendConn, 1)}
	u.waiters = append(u.waiters, w)
	u.mu.Unlock()
	l.Await(func() { bc, err = u.await(ctx, w) })
	return bc, err
}

func (u *upstream) await(ctx context.Context, w waiter) (*backendConn, error) {
	patience := time.NewTimer(max(u.all.dialer.Timeout, pulse))
	defer patience.Stop()
	select {
	case bc := <-w.c:
		return bc, nil
	case <-patience.C:
	case <-ctx.Done():
	}
	return u.giveUp(w)
}

// giveUp removes a waiter, unless it was served at the last moment.
func (u *upstream) giveUp(w waiter) (*backendConn, error) {
	u.mu.Lock()
	for i := range u.waiters {
		if u.waiters[i].c == w.c {
			u.waiters = slices.Delete(u.waiters, i, i+1)
			u.mu.Unlock()
			return nil, errCap
		}
	}
	u.mu.Unlock()
	return <-w.c, nil
}

// serveWaiterLocked hands a connection, or with nil a place, to the longest waiter.
func (u *upstream) serveWaiterLocked(bc *backendConn) bool {
	if len(u.waiters) == 0 {
		return false
	}
	w := u.waiters[0]
	u.waiters = slices.Delete(u.waiters, 0, 1)
	u.hand(bc, w)
	return true
}

// leave frees the place of a connection.
func (u *upstream) leave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.serveWaiterLocked(nil) {
		u.open--
	}
}

// put returns a connection to the pool, if it keeps it. Its exchange is complete and
// nothing is unread.
func (u *upstream) put(bc *backendConn) {
	bc.rd.Release()
	bc.rd.Before = nil
	bc.reused, bc.idleSince = true, bc.loop.now
	if !u.keep(bc) {
		bc.close()
		return
	}
	for u.all.tooMany() {
		u.all.closeOldest()
	}
}

// keep hands the connection to a waiter or makes it idle. It reports false if it must
// be closed.
func (u *upstream) keep(bc *backendConn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed || u.all.keepsNone || u.pause.refuses(bc.idleSince) {
		return false
	}
	if !u.serveWaiterLocked(bc) {
		i := bc.loop.index
		u.idle[i] = append(u.idle[i], bc)
		u.all.idle.Add(1)
	}
	return true
}

// takeLocked removes the n connections of a loop that have been idle longest.
func (u *upstream) takeLocked(loop, n int) []*backendConn {
	taken := slices.Clone(u.idle[loop][:n])
	u.idle[loop] = slices.Delete(u.idle[loop], 0, n)
	u.all.idle.Add(int64(-n))
	return taken
}

// takeAllLocked removes all idle connections.
func (u *upstream) takeAllLocked() (taken []*backendConn) {
	for i := range u.idle {
		taken = append(taken, u.takeLocked(i, len(u.idle[i]))...)
	}
	return taken
}

// reap closes the connections that were idle for too long. It reports whether none are
// left, and no pause has to be kept; the pool is closed then.
func (u *upstream) reap(now uint32) bool {
	u.mu.Lock()
	var reaped []*backendConn
	for i, idle := range u.idle {
		old := 0
		for old < len(idle) && int32(now-idle[old].idleSince) > int32(u.all.keepalive) {
			old++
		}
		reaped = append(reaped, u.takeLocked(i, old)...)
	}
	u.closed = u.open == 0 && !u.pause.lasts(now)
	gone := u.closed
	u.mu.Unlock()
	closeConns(reaped)
	return gone
}

func (u *upstream) close() {
	u.mu.Lock()
	u.closed = true
	idle := u.takeAllLocked()
	u.mu.Unlock()
	closeConns(idle)
}

func closeConns(conns []*backendConn) {
	for _, bc := range conns {
		bc.close()
	}
}
