package l4

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"fourseven/health"
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

	logged health.Throttle
	init   sync.Once
	closed chan struct{} // made by closec
	close  sync.Once
}

// Accept waits for a connection and then for a free slot. At the limit it accepts one
// that waits, so that another connection can give way to it, and the kernel's queue
// holds the rest.
func (l *Listener) Accept() (net.Conn, error) {
	closed := l.closec()
	for pause := minAcceptPause; ; pause = min(2*pause, maxAcceptPause) {
		conn, err := l.Listener.Accept()
		if err == nil {
			return l.admit(conn)
		}
		if errors.Is(err, net.ErrClosed) || isClosed(closed) {
			return nil, net.ErrClosed
		}
		l.failed(err, pause)
		if !sleep(pause, closed) {
			return nil, net.ErrClosed
		}
	}
}

// admit waits for a slot and takes it for the connection.
func (l *Listener) admit(conn net.Conn) (net.Conn, error) {
	if !l.Slots.Acquire(l.closed) {
		Reset(conn)
		return nil, net.ErrClosed
	}
	return conn, nil
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
	if queue, ok := l.Listener.(interface{ CloseWhenEmpty() }); ok {
		queue.CloseWhenEmpty()
		return
	}
	_ = l.Close()
}

// Close closes the listener and ends Accept, also one that pauses or waits for a
// slot.
func (l *Listener) Close() error {
	err := net.ErrClosed
	l.close.Do(func() {
		close(l.closec())
		err = l.Listener.Close()
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

// sleep reports whether the time passed before the channel was closed.
func sleep(d time.Duration, closed <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-closed:
		return false
	}
}
