package l4

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"fourseven/health"
	"fourseven/internal/loop"
)

// The pause after a failed accept. It doubles while accepts go on failing.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// Listener is a net.Listener whose Accept survives failures, such as a process
// without free descriptors, and keeps to the limit of Slots. Accept returns an
// error only once the listener is closed, and that error is net.ErrClosed or
// wraps it.
//
// The exported fields are set before use. Accept is for one goroutine; the other
// methods are safe for concurrent use.
type Listener struct {
	net.Listener
	// Frontend names the listener's frontend in the log.
	Frontend string
	// Slots limits the connections. Each connection that Accept returns holds a
	// slot, which the caller releases. If nil, there is no limit.
	Slots *Slots
	// Logger takes an error about failed accepts, once a second at most. If nil,
	// nothing is logged.
	Logger *slog.Logger
	// Failures counts the failed accepts. If nil, they are not counted.
	Failures *atomic.Uint64

	views  []*loop.Listener // of the loops that accept; empty without
	logged health.Throttle
	init   sync.Once
	closed chan struct{} // made by closec
	close  sync.Once

	mu sync.Mutex
	// queue has the connections that wait for a slot. The channel of each is closed when
	// it is the first.
	queue []chan struct{}
}

// ListenIn makes loops accept, for ServeIn. It is called before all other methods.
func (l *Listener) ListenIn(loops *loop.Group) (err error) {
	l.views, err = loops.Listen(l.Listener)
	return err
}

// ServeIn runs a fiber in each loop that accepts connections, as Accept does, and calls
// serve for each in that fiber. It returns an error when all have ended: the listener or
// the loops were closed.
func (l *Listener) ServeIn(serve func(*loop.Conn)) (err error) {
	errc := make(chan error, len(l.views))
	for _, view := range l.views {
		if !view.Loop().Go(func() { errc <- l.acceptAll(view, serve) }) {
			errc <- loop.ErrClosed
		}
	}
	for range l.views {
		err = <-errc
	}
	return err
}

func (l *Listener) acceptAll(view *loop.Listener, serve func(*loop.Conn)) error {
	for {
		conn, err := l.acceptIn(view)
		if err != nil {
			return err
		}
		serve(conn)
	}
}

// Accept waits for a connection and then for a free slot. At the limit it accepts one
// that waits, so that another connection can give way to it, and the kernel's queue
// holds the rest.
func (l *Listener) Accept() (net.Conn, error) {
	return l.accept(l.Listener, func(block func()) { block() })
}

// acceptIn is Accept for a fiber.
func (l *Listener) acceptIn(view *loop.Listener) (*loop.Conn, error) {
	conn, err := l.accept(view, view.Loop().Await)
	if err != nil {
		return nil, err
	}
	return conn.(*loop.Conn), nil
}

// accept does what blocks by a function that waits for it.
func (l *Listener) accept(ln net.Listener, await func(block func())) (net.Conn, error) {
	closed := l.closec()
	for pause := minAcceptPause; ; pause = min(2*pause, maxAcceptPause) {
		conn, err := ln.Accept()
		if err == nil {
			return l.admit(conn, await)
		}
		if errors.Is(err, net.ErrClosed) || isClosed(closed) {
			return nil, net.ErrClosed
		}
		l.failed(err, pause)
		await(func() { sleep(pause, closed) })
	}
}

// admit waits for a slot and takes it for the connection. Connections get slots in the
// order in which they come, whichever loop they come to: one that others overtake again
// and again could wait for ever.
func (l *Listener) admit(conn net.Conn, await func(block func())) (net.Conn, error) {
	turn := l.enqueue()
	if turn == nil {
		return conn, nil
	}
	taken := false
	await(func() {
		<-turn
		taken = l.Slots.Acquire(l.closed)
		l.dequeue()
	})
	if !taken {
		Reset(conn)
		return nil, net.ErrClosed
	}
	return conn, nil
}

// enqueue takes a slot and returns nil, or returns a channel that is closed when it is
// the turn of a connection to wait for one.
func (l *Listener) enqueue() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 && l.Slots.tryAcquire() {
		return nil
	}
	turn := make(chan struct{})
	if l.queue = append(l.queue, turn); len(l.queue) == 1 {
		close(turn)
	}
	return turn
}

// dequeue ends the turn of the first connection.
func (l *Listener) dequeue() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue = l.queue[1:]; len(l.queue) > 0 {
		close(l.queue[0])
	}
}

func (l *Listener) failed(err error, pause time.Duration) {
	if l.Failures != nil {
		l.Failures.Add(1)
	}
	if l.Logger == nil {
		return
	}
	if held, ok := l.logged.Pass(err.Error()); ok {
		l.Logger.Error("accept", "frontend", l.Frontend, "err", err, "pause", pause, "held_back", held)
	}
}

// CloseWhenEmpty closes the listener. If the wrapped listener has a method
// CloseWhenEmpty, Accept first returns the connections that wait in its queue.
func (l *Listener) CloseWhenEmpty() {
	queue, ok := l.Listener.(interface{ CloseWhenEmpty() })
	switch {
	case !ok:
		_ = l.Close()
	case len(l.views) > 0:
		l.views[0].CloseWhenEmpty()
	default:
		queue.CloseWhenEmpty()
	}
}

// Close closes the listener and ends Accept, also one that pauses or waits for a
// slot.
func (l *Listener) Close() error {
	err := net.ErrClosed
	l.close.Do(func() {
		close(l.closec())
		if len(l.views) > 0 {
			err = l.views[0].Close()
		} else {
			err = l.Listener.Close()
		}
	})
	return err
}

// closec returns a channel that is closed by Close.
func (l *Listener) closec() chan struct{} {
	l.init.Do(func() { l.closed = make(chan struct{}) })
	return l.closed
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// sleep returns when the time has passed or the channel is closed.
func sleep(d time.Duration, closed <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-closed:
	}
}
