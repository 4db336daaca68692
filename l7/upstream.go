package l7

import (
	"context"
	"errors"
	"sync"
	"time"

	"fourseven/health"
	"fourseven/l4"
)

const (
	// backendIdle is how long a connection to a backend is kept for reuse, in
	// pulses: 4 s, below the 5 s after which common servers (Node.js, Apache)
	// close it: the proxy closes first, so that no request meets a closing connection.
	backendIdle = uint32(4 * time.Second / pulse)
	// defaultMaxBackendConns stays below the 28232 source ports that Linux has
	// towards one address, so that the cap is reached before dials fail.
	defaultMaxBackendConns = 16384
)

var errCap = errors.New("all connections to the backend are taken")

// upstreams holds a connection pool for each backend.
type upstreams struct {
	dialer *l4.Dialer
	max    int
	pools  sync.Map // *health.Backend to *upstream
}

func (u *upstreams) init(dialer *l4.Dialer, max int) {
	if max <= 0 {
		max = defaultMaxBackendConns
	}
	u.dialer, u.max = dialer, max
}

// of returns the backend's pool.
func (u *upstreams) of(b *health.Backend) *upstream {
	if pool, ok := u.pools.Load(b); ok {
		return pool.(*upstream)
	}
	pool, _ := u.pools.LoadOrStore(b, &upstream{backend: b, dialer: u.dialer, max: u.max})
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
	backend *health.Backend
	dialer  *l4.Dialer
	max     int

	mu      sync.Mutex
	idle    []*backendConn // the one idle longest comes first
	open    int            // idle, in use, and being dialled
	waiters []chan *backendConn
	closed  bool
}

// reuse returns an idle connection, or nil. Whether the backend has closed it, or has
// sent anything unasked, is checked here, or, if asks is set, by ask.send.
func (u *upstream) reuse(asks bool) *backendConn {
	for {
		bc := u.pop()
		if bc == nil || asks && bc.canAsk() || bc.sock.quiet() {
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
	return bc
}

// dial opens a connection. At the cap it waits for one that is put back, or for a
// place, for as long as a dial may take.
func (u *upstream) dial(ctx context.Context) (*backendConn, error) {
	if bc, err := u.place(ctx); bc != nil || err != nil {
		return bc, err
	}
	nc, err := u.dialer.Dial(ctx, u.backend)
	if err != nil {
		u.leave()
		return nil, err
	}
	return newBackendConn(nc, u), nil
}

// place takes a place for a new connection, or returns one that was put back.
func (u *upstream) place(ctx context.Context) (*backendConn, error) {
	u.mu.Lock()
	if u.open < u.max {
		u.open++
		u.mu.Unlock()
		return nil, nil
	}
	waiter := make(chan *backendConn, 1)
	u.waiters = append(u.waiters, waiter)
	u.mu.Unlock()

	patience := time.NewTimer(max(u.dialer.Timeout, pulse))
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

// put returns a connection to the pool. Its exchange is complete and nothing is unread.
func (u *upstream) put(bc *backendConn, now uint32) {
	bc.rd.Release()
	bc.rd.Before = nil
	bc.reused, bc.idleSince = true, now
	u.mu.Lock()
	if u.closed {
		u.mu.Unlock()
		bc.close()
		return
	}
	if !u.serveWaiterLocked(bc) {
		u.idle = append(u.idle, bc)
	}
	u.mu.Unlock()
}

// reap closes the connections that were idle for too long. It reports whether none are
// left; the pool is closed then.
func (u *upstream) reap(now uint32) bool {
	u.mu.Lock()
	old := 0
	for old < len(u.idle) && now-u.idle[old].idleSince > backendIdle {
		old++
	}
	reaped := append([]*backendConn(nil), u.idle[:old]...)
	u.idle = append(u.idle[:0], u.idle[old:]...)
	u.closed = u.open == 0
	gone := u.closed
	u.mu.Unlock()
	for _, bc := range reaped {
		bc.close()
	}
	return gone
}

func (u *upstream) close() {
	u.mu.Lock()
	idle := u.idle
	u.idle, u.closed = nil, true
	u.mu.Unlock()
	for _, bc := range idle {
		bc.close()
	}
}
