package l4

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"fourseven/health"
)

// dialTimeout bounds a dial of the dialer that a Server without one uses.
const dialTimeout = 2 * time.Second

// Dialer opens connections to backends. It is safe for concurrent use.
type Dialer struct {
	// Timeout bounds one dial, of all addresses that a name has. If zero, only the context
	// bounds it.
	Timeout time.Duration
	// Bare leaves out TuneSocket. The caller calls it for connections that last;
	// short ones are spared its system calls.
	Bare bool
	// Dialled is called with the duration of each dial that succeeded. If nil,
	// durations are not reported.
	Dialled func(time.Duration)
	// Own has the listeners of this process, which no dial may reach. If nil, that is
	// not checked.
	Own *Own
}

// Dial connects to the backend. A failed dial is counted and, unless it is this
// machine's own failure, starts a probe of the backend. The error is a
// *health.DialError, or the context's if that was cancelled. The caller owns the
// connection, whose socket is tuned unless the dialer is Bare.
func (d *Dialer) Dial(ctx context.Context, b *health.Backend) (net.Conn, error) {
	began := time.Now()
	nd := net.Dialer{KeepAlive: -1} // TuneSocket sets keepalive
	if !d.Bare {
		nd.Control = TuneSocket
	}
	limited := ctx
	if d.Timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, d.Timeout)
		defer cancel()
	}
	// No local address: an explicit one, even zero, binds a port before each dial.
	conn, err := b.Dial(limited, nd.DialContext)
	if errors.Is(err, syscall.EAGAIN) {
		conn, err = redial(limited, &nd, b)
	}
	if err == nil && d.Own.reached(conn) {
		_ = conn.Close()
		err = errOwn
	}
	switch {
	case err == nil:
		if d.Dialled != nil {
			d.Dialled(time.Since(began))
		}
		return conn, nil
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, fmt.Errorf("dial %s: %w", b.Addr, ctx.Err())
	}
	return nil, b.DialFailed(err)
}

// The pause between two tries to connect to a Unix socket whose queue is full. It
// doubles.
const (
	minRedialPause = time.Millisecond
	maxRedialPause = 50 * time.Millisecond
)

// redial dials a Unix socket whose queue of new connections is full until there is room,
// for as long as a dial may take: unlike for TCP, the kernel does not wait.
func redial(ctx context.Context, nd *net.Dialer, b *health.Backend) (net.Conn, error) {
	for pause := minRedialPause; ; pause = min(2*pause, maxRedialPause) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("its queue of new connections is full: %w", ctx.Err())
		}
		conn, err := b.Dial(ctx, nd.DialContext)
		if !errors.Is(err, syscall.EAGAIN) {
			return conn, err
		}
	}
}
