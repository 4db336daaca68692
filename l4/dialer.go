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
	// TLS is how TLS is spoken to backends, by DialIn. If nil, it is spoken to none.
	TLS *BackendTLS
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
	if err == nil && d.Own.reached(conn) {
		_ = conn.Close()
		err = errOwn
	}
	if err := failed(ctx, b, err); err != nil {
		return nil, err
	}
	d.report(b, began)
	return conn, nil
}

// Hello is the beginning of a connection to a backend: PROXY header and TLS.
type Hello struct {
	// Header writes the PROXY header, which comes before everything else, also before
	// TLS. If nil, there is none.
	Header func(*loop.Conn) error
	// Protocols are the ALPN protocols that are offered to a backend, if TLS is spoken to
	// it.
	Protocols []string
}

// DialIn is Dial in a fiber, with TLS if the backend is to have it. The connection is one
// of its loop, and is not tuned: short ones are spared the system calls of TuneSocket.
func (d *Dialer) DialIn(ctx context.Context, l *loop.Loop, b *health.Backend, hello Hello) (Conn, error) {
	began := time.Now()
	limited := ctx
	if d.Timeout > 0 {
		limited = untimed{ctx, began.Add(d.Timeout)}
	}
	conn, err := b.Dial(limited, func(ctx context.Context, network, addr string) (net.Conn, error) {
		raw, err := dialIn(ctx, l, network, addr)
		if err != nil {
			return nil, err
		}
		return d.greet(ctx, raw, b, hello)
	})
	if err := failed(ctx, b, err); err != nil {
		return nil, err
	}
	d.report(b, began)
	return conn.(Conn), nil
}

// greet sends the beginning of a new connection, which it closes if that fails.
func (d *Dialer) greet(ctx context.Context, raw *loop.Conn, b *health.Backend, hello Hello) (net.Conn, error) {
	if d.Own.reached(raw) {
		_ = raw.Close()
		return nil, errOwn
	}
	if hello.Header != nil {
		if err := hello.Header(raw); err != nil {
			_ = raw.Reset()
			return nil, fmt.Errorf("write PROXY header: %w", err)
		}
	}
	if !d.TLS.To(b) {
		return raw, nil
	}
	return d.TLS.dial(ctx, raw, b, hello.Protocols)
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
func dialIn(ctx context.Context, l *loop.Loop, network, addr string) (*loop.Conn, error) {
	timeout := timeLeft(ctx)
	if network == "unix" {
		return l.DialUnix(ctx, addr, timeout)
	}
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	return l.Dial(ctx, to, timeout)
}

// timeLeft returns the time to the context's deadline, or zero if it has none.
func timeLeft(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return max(time.Until(deadline), 1)
	}
	return 0
}

// failed accounts for a failed dial.
func failed(ctx context.Context, b *health.Backend, err error) error {
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
