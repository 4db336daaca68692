package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

func TestReasonOf(t *testing.T) {
	wrap := func(errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
	}
	tests := []struct {
		err  error
		want Reason
	}{
		{wrap(syscall.ECONNREFUSED), Refused},
		{wrap(syscall.ETIMEDOUT), Timeout},
		{wrap(syscall.EHOSTUNREACH), Unreachable},
		{wrap(syscall.ENETUNREACH), Unreachable},
		{wrap(syscall.EADDRNOTAVAIL), NoSourcePort},
		{wrap(syscall.EMFILE), NoFD},
		{wrap(syscall.ENFILE), NoFD},
		{&net.DNSError{Err: "no such host", IsNotFound: true}, Unreachable},
		{context.DeadlineExceeded, Timeout},
		{fmt.Errorf("x: %w", os.ErrDeadlineExceeded), Timeout},
	}
	for _, tt := range tests {
		if got := reasonOf(tt.err); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.want)
		}
	}
}

func TestFailedDialIsCountedAndSuspected(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := NewBackend(ln.Addr().String())
	_ = ln.Close()
	_, err = (&Dialer{Timeout: time.Second}).Dial(t.Context(), b)
	var dial *DialError
	if !errors.As(err, &dial) || dial.Reason != Refused {
		t.Fatalf("error %v, want refused", err)
	}
	if b.Failures(Refused) != 1 || len(b.suspectc) != 1 {
		t.Errorf("failures %d, suspected %d, want 1 and 1", b.Failures(Refused), len(b.suspectc))
	}
}

// Pins that a caller that went away says nothing about the backend.
func TestCancelledDialIsNotTheBackends(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := NewBackend("127.0.0.1:1")
	_, err := (&Dialer{Timeout: time.Second}).Dial(ctx, b)
	if !errors.Is(err, context.Canceled) || len(b.suspectc) != 0 {
		t.Errorf("error %v, suspected %d", err, len(b.suspectc))
	}
}
