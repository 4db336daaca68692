package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

// Reason is why a dial failed.
type Reason uint8

// The reasons of a failed dial. NoSourcePort and NoFD are failures of this
// machine, which do not count against the backend.
const (
	Refused Reason = iota
	Timeout
	Unreachable
	NoSourcePort
	NoFD
	TLSHandshake // it accepted the connection
	numReasons
)

// Reasons are all reasons of a failed dial.
var Reasons = [numReasons]Reason{Refused, Timeout, Unreachable, NoSourcePort, NoFD, TLSHandshake}

// String returns the reason's word as logs and metrics have it.
func (r Reason) String() string {
	return [...]string{"refused", "timeout", "unreachable", "no_source_port", "no_fd", "tls_handshake"}[r]
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

// errUnresolved is the error of a dial of a name without an address.
var errUnresolved = errors.New("no usable address of the name is known yet")

// DialFunc opens a connection to an address, which is no host name, on tcp or unix.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Dial opens a connection to the backend with dial, which it calls for one address after
// the other of a name: the one that the last good probe reached comes first. If the
// context has a deadline, each address gets its part of the time. No name is looked up.
// DialFailed must be called with the error, unless it is the context's.
func (b *Backend) Dial(ctx context.Context, dial DialFunc) (net.Conn, error) {
	network, _ := SplitAddr(b.Addr)
	addrs := *b.dialled.Load()
	if len(addrs) == 1 {
		return dial(ctx, network, addrs[0])
	}
	if first := b.reached.Load(); first != nil {
		if i := slices.Index(addrs, *first); i > 0 {
			addrs = slices.Concat(addrs[i:i+1], addrs[:i], addrs[i+1:])
		}
	}
	conn, _, err := dialEach(ctx, addrs, dial)
	return conn, err
}

// dialEach returns a connection to the first of several TCP addresses that accepts, and
// which one it is; or else the error of the first.
func dialEach(ctx context.Context, addrs []string, dial DialFunc) (net.Conn, int, error) {
	first := errUnresolved
	for i, addr := range addrs {
		conn, err := dialShare(ctx, addr, len(addrs)-i, dial)
		if err == nil {
			return conn, i, nil
		}
		if i == 0 || reasonOf(err).Local() {
			first = fmt.Errorf("%s: %w", addr, cause(err))
		}
		if ctx.Err() != nil || reasonOf(err).Local() {
			break
		}
	}
	return nil, 0, first
}

// dialShare dials an address in its share of the time that is left for so many.
func dialShare(ctx context.Context, addr string, left int, dial DialFunc) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return dial(ctx, "tcp", addr)
}

// DialFailed counts a failed dial of the backend and returns it as a DialError.
// Unless the failure is this machine's own, the backend is probed without waiting.
func (b *Backend) DialFailed(err error) *DialError {
	reason := reasonOf(err)
	b.failures[reason].Add(1)
	if !reason.Local() {
		b.Suspect()
	}
	return &DialError{Addr: b.Addr, Reason: reason, Err: cause(err)}
}

func reasonOf(err error) Reason {
	var dns *net.DNSError
	var tls *HandshakeError
	switch {
	case errors.As(err, &tls):
		return TLSHandshake
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

// cause strips net's "dial tcp ADDR:", which DialError has as well.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
