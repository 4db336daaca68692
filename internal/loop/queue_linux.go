//go:build !portable

package loop

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// opKind is the kind of a request to a loop.
type opKind uint8

const (
	opGo     opKind = iota // start a fiber
	opClose                // close a connection
	opReset                // the same, with a reset
	opArm                  // a deadline has changed
	opAttach               // take over a connection and start a fiber for it
	opCall                 // call a function of this package, in the loop itself
	opWake                 // resume a fiber
	opEnd                  // close everything
)

// op is a request to a loop, from a fiber or any other goroutine.
type op struct {
	kind  opKind
	conn  *Conn
	fiber *fiber
	fn    func()
}

// queue is how everybody reaches a loop. Its descriptor wakes a loop that sleeps.
type queue struct {
	fd int

	mu       sync.Mutex
	ops      []op
	sleeping bool // the loop is about to wait, or waits: it has to be woken
	closed   bool

	taken []op // the loop's own
}

func (q *queue) open(l *Loop) (err error) {
	if q.fd, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return fmt.Errorf("create eventfd: %w", err)
	}
	if err := l.register(int32(q.fd), unix.EPOLLIN, queueSlot, 0); err != nil {
		_ = unix.Close(q.fd)
		return fmt.Errorf("watch eventfd: %w", err)
	}
	return nil
}

// close is called by the loop, or before it runs.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	_ = unix.Close(q.fd)
}

// end refuses further requests, unless there are some: those have been promised.
func (q *queue) end() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = len(q.ops) == 0
	return q.closed
}

// post reports whether the loop will see the request: false after it has ended.
// Any goroutine may call it.
func (q *queue) post(o op) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.ops = append(q.ops, o)
	if q.sleeping {
		q.sleeping = false
		one := [8]byte{1, 1, 1, 1, 1, 1, 1, 0} // below the maximum in either byte order
		_, _ = unix.Write(q.fd, one[:])
	}
	return true
}

// sleep is called before the loop waits. It reports whether it may: nothing has
// been posted.
func (q *queue) sleep() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sleeping = len(q.ops) == 0
	return q.sleeping
}

// awake is called after the loop has waited: posts need not wake it now.
func (q *queue) awake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sleeping = false
}

// drain takes back the signal of post.
func (q *queue) drain() {
	var buf [8]byte
	_, _ = unix.Read(q.fd, buf[:])
}

// take carries out the requests that have been posted so far.
func (q *queue) take(l *Loop) {
	q.mu.Lock()
	q.ops, q.taken = q.taken[:0], q.ops
	q.mu.Unlock()
	for i, o := range q.taken {
		q.taken[i] = op{}
		l.do(o)
	}
}

func (l *Loop) do(o op) {
	switch o.kind {
	case opGo:
		l.spawn(o.conn, o.fn)
	case opWake:
		l.wake(o.fiber)
	case opCall:
		o.fn()
	case opEnd:
		l.shut()
	default:
		if at := o.conn.Loop(); at != l { // it has moved since
			at.queue.post(o)
			return
		}
		l.doConn(o)
	}
}

func (l *Loop) doConn(o op) {
	switch o.kind {
	case opAttach:
		o.conn.attach()
		l.spawn(o.conn, o.fn)
	case opArm:
		o.conn.arm()
	case opClose, opReset:
		o.conn.shut(o.kind == opReset)
	}
}
