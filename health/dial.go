package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// Reason says why a dial failed.
type Reason uint8

// The reasons of a failed dial. NoSourcePort and NoFD are failures of this
// machine, which say nothing about the backend.
const (
	Refused Reason = iota
	Timeout
	Unreachable
	NoSourcePort
	NoFD
	numReasons
)

// Reasons are all reasons of a failed dial.
var Reasons = [numReasons]Reason{Refused, Timeout, Unreachable, NoSourcePort, NoFD}

// String returns the reason's word as it stands in logs and metrics.
func (r Reason) String() string {
	return [...]string{"refused", "timeout", "unreachable", "no_source_port", "no_fd"}[r]
}

// Local reports whether the failure is this machine's and not the backend's.
func (r Reason) Local() bool { return r == NoSourcePort || r == NoFD }

// DialError is the error of a failed dial.
type DialError struct {
	Addr   string
	Reason Reason
	Err    error
}

func (e *DialError) Error() string {
	return fmt.Sprintf("dial %s (%s): %v", e.Addr, e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

// Dialer opens connections to backends. It is safe for concurrent use.
type Dialer struct {
	// Timeout bounds one dial, the lookup of a name included. If zero, only the
	// context bounds it.
	Timeout time.Duration
	// Bare leaves out TuneSocket: the caller calls it on connections that last,
	// and short ones are spared its system calls.
	Bare bool
	// Dialled is called with the time that each dial took which succeeded. If nil,
	// nobody is told.
	Dialled func(time.Duration)
}

// Dial connects to the backend. A failed dial is counted, and unless it is this
// machine's own failure it starts a probe of the backend. The error is a
// *DialError, or the context's if that was cancelled. The caller owns the
// connection. Its socket is as TuneSocket leaves it,
// unless the dialer is Bare.
func (d *Dialer) Dial(ctx context.Context, b *Backend) (net.Conn, error) {
	began := time.Now()
	conn, err := d.dialAddr(ctx, b)
	if err == nil {
		if d.Dialled != nil {
			d.Dialled(time.Since(began))
		}
		return conn, nil
	}
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return nil, fmt.Errorf("dial %s: %w", b.Addr, ctx.Err())
	}
	reason := reasonOf(err)
	b.failures[reason].Add(1)
	if !reason.Local() {
		b.Suspect()
	}
	return nil, &DialError{Addr: b.Addr, Reason: reason, Err: cause(err)}
}

// dialAddr dials the address that the last good probe reached, which spares a
// lookup, or else the backend's own.
func (d *Dialer) dialAddr(ctx context.Context, b *Backend) (net.Conn, error) {
	addr := b.Addr
	if known := b.resolved.Load(); known != nil {
		addr = known.String()
	}
	network, addr := SplitAddr(addr)
	nd := net.Dialer{Timeout: d.Timeout, KeepAlive: -1} // TuneSocket sets keepalive
	if !d.Bare {
		nd.Control = TuneSocket
	}
	// No local address: an explicit one, even zero, binds a port before each dial.
	return nd.DialContext(ctx, network, addr)
}

func reasonOf(err error) Reason {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return NoFD
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return NoSourcePort
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ENOENT):
		return Refused
	case errors.As(err, &dns):
		return Unreachable
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return Timeout
	}
	return Unreachable
}

// cause strips net's "dial tcp ADDR:", which DialError says itself.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
