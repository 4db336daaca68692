package l4

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"fourseven/health"
	"fourseven/internal/loop"
)

// dialTimeout bounds a dial of the dialer that a Server without one uses.
const dialTimeout = 2 * time.Second

// Dialer opens connections to backends. It is safe for concurrent use.
//
// A failed dial is counted and, unless it is this machine's own failure, starts a probe
// of the backend. The error is a *health.DialError, or the context's if that was
// cancelled.
type Dialer struct {
	// Timeout bounds one dial, of all addresses that a name has. If zero, only the context
	// bounds it.
	Timeout time.Duration
	// Dialled is called with the duration of each dial that succeeded. If nil,
	// durations are not reported.
	Dialled func(time.Duration)
	// Own has the listeners of this process, which no dial may reach. If nil, that is
	// not checked.
	Own *Own
}

// Dial connects to the backend. The caller owns the connection, whose socket is tuned.
func (d *Dialer) Dial(ctx context.Context, b *health.Backend) (net.Conn, error) {
	began := time.Now()
	nd := net.Dialer{KeepAlive: -1, Control: TuneSocket} // which sets keepalive
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
	if err := d.check(ctx, b, conn, err); err != nil {
		return nil, err
	}
	d.report(b, began)
	return conn, nil
}

// DialIn is Dial in a fiber. The connection is one of its loop, and is not tuned:
// short ones are spared the system calls of TuneSocket.
func (d *Dialer) DialIn(ctx context.Context, l *loop.Loop, b *health.Backend) (*loop.Conn, error) {
	began := time.Now()
	limited := ctx
	if d.Timeout > 0 {
		limited = untimed{ctx, began.Add(d.Timeout)}
	}
	conn, err := b.Dial(limited, func(ctx context.Context, network, addr string) (net.Conn, error) {
		return dialIn(ctx, l, network, addr)
	})
	if err := d.check(ctx, b, conn, err); err != nil {
		return nil, err
	}
	d.report(b, began)
	return conn.(*loop.Conn), nil
}

// untimed is a context with a deadline for dials of a loop, which look at it: a timer of
// its own would cost more than the dial.
type untimed struct {
	context.Context
	deadline time.Time
}

// Deadline returns the deadline.
func (u untimed) Deadline() (time.Time, bool) { return u.deadline, true }

// dialIn connects to an address in a fiber.
func dialIn(ctx context.Context, l *loop.Loop, network, addr string) (net.Conn, error) {
	var timeout time.Duration
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), 1) // zero would be no limit
	}
	var conn *loop.Conn
	var err error
	if network == "unix" {
		conn, err = l.DialUnix(ctx, addr, timeout)
	} else {
		var to netip.AddrPort
		if to, err = netip.ParseAddrPort(addr); err == nil {
			conn, err = l.Dial(ctx, to, timeout)
		}
	}
	if err != nil {
		return nil, err // not a nil *loop.Conn in an interface
	}
	return conn, nil
}

// check refuses a connection that ends in this process, and accounts for a failed dial.
func (d *Dialer) check(ctx context.Context, b *health.Backend, conn net.Conn, err error) error {
	if err == nil && d.Own.reached(conn) {
		_ = conn.Close()
		err = errOwn
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("dial %s: %w", b.Addr, ctx.Err())
	}
	return b.DialFailed(err)
}

// report counts a dial that succeeded.
func (d *Dialer) report(b *health.Backend, began time.Time) {
	took := time.Since(began)
	b.Connected(took)
	if d.Dialled != nil {
		d.Dialled(took)
	}
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
