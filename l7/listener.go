package l7

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"fourseven/health"
	"fourseven/l4"
)

// The pause after a failed accept: it doubles while accepts go on failing.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// listener outlives failed accepts: fasthttp's Serve gives up at the first error,
// and a process short of descriptors would stop serving for good. Only Close ends
// its Accept.
type listener struct {
	net.Listener
	log   *slog.Logger
	slots *l4.Slots // nil for no limit
	// arriving counts the connections that Accept returns.
	arriving *atomic.Int64
	// failures counts those of Accept.
	failures *atomic.Uint64
	said     health.Throttle

	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	for pause := minAcceptPause; ; pause = min(2*pause, maxAcceptPause) {
		if !l.slots.Wait(l.closed) {
			return nil, net.ErrClosed
		}
		nc, err := l.Listener.Accept()
		if err == nil {
			return l.admit(nc)
		}
		if errors.Is(err, net.ErrClosed) || l.isClosed() {
			return nil, err
		}
		l.failures.Add(1)
		if held, ok := l.said.Pass(err.Error()); ok {
			l.log.Warn("accept", "err", err, "pause", pause, "held_back", held)
		}
		if !l.sleep(pause) {
			return nil, net.ErrClosed
		}
	}
}

// admit takes a slot for the connection.
func (l *listener) admit(nc net.Conn) (net.Conn, error) {
	if !l.slots.Acquire(l.closed) {
		_ = nc.Close()
		return nil, net.ErrClosed
	}
	l.arriving.Add(1)
	return nc, nil
}

func (l *listener) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.closed:
		return false
	case <-timer.C:
		return true
	}
}

func (l *listener) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// closeWhenEmpty closes the listener; if it can be emptied first, once Accept has
// returned who waits in its queue.
func (l *listener) closeWhenEmpty() {
	if queue, ok := l.Listener.(interface{ CloseWhenEmpty() }); ok {
		queue.CloseWhenEmpty()
		return
	}
	_ = l.Close()
}

// Close ends Accept, one that pauses too.
func (l *listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
	})
	return err
}
