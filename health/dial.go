package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
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
	numReasons
)

// Reasons are all reasons of a failed dial.
var Reasons = [numReasons]Reason{Refused, Timeout, Unreachable, NoSourcePort, NoFD}

// String returns the reason's word as logs and metrics have it.
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

// DialAddr returns what to dial for traffic: the address that the last good probe
// reached, which spares a lookup, or else the backend's own.
func (b *Backend) DialAddr() (network, addr string) {
	if known := b.resolved.Load(); known != nil {
		return "tcp", known.String()
	}
	return SplitAddr(b.Addr)
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

// cause strips net's "dial tcp ADDR:", which DialError has as well.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
