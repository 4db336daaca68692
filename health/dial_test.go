package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
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

// Pins what a failed dial does to its backend: it is counted, and the backend is
// probed, unless this machine is to blame.
func TestDialFailed(t *testing.T) {
	for _, tt := range []struct {
		errno  syscall.Errno
		want   Reason
		probes int
	}{
		{syscall.ECONNREFUSED, Refused, 1},
		{syscall.EMFILE, NoFD, 0},
	} {
		b := NewBackend("127.0.0.1:1")
		err := b.DialFailed(os.NewSyscallError("connect", tt.errno))
		if err.Addr != b.Addr || err.Reason != tt.want || !errors.Is(err, tt.errno) {
			t.Errorf("error %v, want %s", err, tt.want)
		}
		if b.Failures(tt.want) != 1 || len(b.suspectc) != tt.probes {
			t.Errorf("%s: failures %d, probes %d, want 1 and %d", tt.want, b.Failures(tt.want), len(b.suspectc), tt.probes)
		}
	}
}
