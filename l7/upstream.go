package l7

import (
	"cmp"
	"context"
	"errors"
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

var errCap = errors.New("all connections to the backend are taken")

// upstreams holds a connection pool for each backend.
type upstreams struct {
	dialer    *l4.Dialer
	max       int      // connections to one backend
	maxIdle   int64    // unused connections to all backends; 0 is no limit
	keepalive uint32   // pulses for which an unused connection is kept
	keepsNone bool     // each request has a connection of its own
	pools     sync.Map // *health.Backend to *upstream
	idle      atomic.Int64
}

func (u *upstreams) init(s *Server) {
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
	pool, _ := u.pools.LoadOrStore(b, &upstream{all: u, backend: b})
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

// upstream is the pool of connections to one backend. The connection used last is
// reused first, so that the others are idle long enough to be closed.
type upstream struct {
	all     *upstreams
	backend *health.Backend

	mu      sync.Mutex
	idle    []*backendConn // the one idle longest comes first
	open    int            // idle, in use, and being dialled
	waiters []chan *backendConn
	closed  bool
	pause   pause
}

// reuse returns an idle connection to a present address of the backend, or nil. Whether the backend has closed it, or has
// sent anything unasked, is checked here, or, if asks is set, by ask.send.
func (u *upstream) reuse(asks bool) *backendConn {
	for {
		bc := u.pop()
		switch {
		case bc == nil:
			return nil
		case !u.backend.Has(bc.addr): // its name has moved
		case asks && bc.canAsk() || bc.sock.quiet():
			return bc
		}
		bc.close()
	}
}

func (u *upstream) pop() *backendConn {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := len(u.idle)
	if n == 0 {
		return nil
	}
	bc := u.idle[n-1]
	u.idle[n-1] = nil
	u.idle = u.idle[:n-1]
	u.all.idle.Add(-1)
	return bc
}

// dial opens a connection. At the cap it waits for one that is put back, or for a
// place, for as long as a dial may take.
func (u *upstream) dial(ctx context.Context) (*backendConn, error) {
	if bc, err := u.place(ctx); bc != nil || err != nil {
		return bc, err
	}
	nc, err := u.all.dialer.Dial(ctx, u.backend)
	if err != nil {
		u.leave()
		return nil, err
	}
	return newBackendConn(nc, u), nil
}

// place takes a place for a new connection, or returns one that was put back.
func (u *upstream) place(ctx context.Context) (*backendConn, error) {
	u.mu.Lock()
	if u.open < u.all.max {
		u.open++
		u.mu.Unlock()
		return nil, nil
	}
	waiter := make(chan *backendConn, 1)
	u.waiters = append(u.waiters, waiter)
	u.mu.Unlock()

	patience := time.NewTimer(max(u.all.dialer.Timeout, pulse))
	defer patience.Stop()
	select {
	case bc := <-waiter:
		return bc, nil
	case <-patience.C:
	case <-ctx.Done():
	}
	return u.giveUp(waiter)
}

// giveUp removes a waiter, unless it was served at the last moment.
func (u *upstream) giveUp(waiter chan *backendConn) (*backendConn, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, w := range u.waiters {
		if w == waiter {
			u.waiters = append(u.waiters[:i], u.waiters[i+1:]...)
			return nil, errCap
		}
	}
	return <-waiter, nil
}

// serveWaiterLocked hands a connection, or with nil a place, to the longest waiter.
func (u *upstream) serveWaiterLocked(bc *backendConn) bool {
	if len(u.waiters) == 0 {
		return false
	}
	u.waiters[0] <- bc // buffered
	u.waiters = u.waiters[1:]
	return true
}

// leave gives up the place of a connection.
func (u *upstream) leave() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.serveWaiterLocked(nil) {
		u.open--
	}
}

// put returns a connection to the pool, if it keeps it. Its exchange is complete and
// nothing is unread.
func (u *upstream) put(bc *backendConn, now uint32) {
	bc.rd.Release()
	bc.rd.Before = nil
	bc.reused, bc.idleSince = true, now
	if !u.keep(bc) {
		bc.close()
		return
	}
	for u.all.tooMany() {
		u.all.closeOldest(now)
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
		u.idle = append(u.idle, bc)
		u.all.idle.Add(1)
	}
	return true
}

// takeLocked removes the n connections that have been idle longest.
func (u *upstream) takeLocked(n int) []*backendConn {
	taken := append([]*backendConn(nil), u.idle[:n]...)
	kept := copy(u.idle, u.idle[n:])
	clear(u.idle[kept:])
	u.idle = u.idle[:kept]
	u.all.idle.Add(int64(-n))
	return taken
}

// reap closes the connections that were idle for too long. It reports whether none are
// left; the pool is closed then.
func (u *upstream) reap(now uint32) bool {
	u.mu.Lock()
	old := 0
	for old < len(u.idle) && now-u.idle[old].idleSince > u.all.keepalive {
		old++
	}
	reaped := u.takeLocked(old)
	u.closed = u.open == 0
	gone := u.closed
	u.mu.Unlock()
	closeConns(reaped)
	return gone
}

func (u *upstream) close() {
	u.mu.Lock()
	u.closed = true
	idle := u.takeLocked(len(u.idle))
	u.mu.Unlock()
	closeConns(idle)
}

func closeConns(conns []*backendConn) {
	for _, bc := range conns {
		bc.close()
	}
}
