//go:build linux

package l4

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fourseven/health"
)

func TestFailedDialIsCountedAndProbed(t *testing.T) {
	b := refusing(t)
	probed := watchProbes(t, health.NewPool(b))
	_, err := (&Dialer{Timeout: wait}).Dial(t.Context(), b)
	var dial *health.DialError
	if !errors.As(err, &dial) || dial.Reason != health.Refused || b.Failures(health.Refused) != 1 {
		t.Fatalf("error %v, %d failures, want refused and 1", err, b.Failures(health.Refused))
	}
	select {
	case <-probed:
	case <-time.After(wait):
		t.Error("not probed")
	}
}

// Pins that a dial which its client gave up is not held against the backend.
func TestCancelledDialIsNotAFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := refusing(t)
	_, err := (&Dialer{Timeout: wait}).Dial(ctx, b)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	for _, reason := range health.Reasons {
		if n := b.Failures(reason); n != 0 {
			t.Errorf("%d failures by %s", n, reason)
		}
	}
}

// Pins that a Unix backend whose queue is full for a moment costs no client: the kernel
// refuses such a connection at once instead of letting it wait.
func TestFullUnixBacklogIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 1)); err != nil {
		t.Fatal(err)
	}
	b := health.NewBackend("unix:" + path)
	d := &Dialer{Timeout: wait}
	for range 2 { // what the queue holds
		conn, err := d.Dial(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
	}
	if _, err := (&Dialer{Timeout: 20 * time.Millisecond}).Dial(t.Context(), b); !timedOut(err) {
		t.Fatalf("error %v, want a time-out: the queue is full", err)
	}
	time.AfterFunc(20*time.Millisecond, func() { // makes room
		if taken, _, err := unix.Accept(fd); err == nil {
			_ = unix.Close(taken)
		}
	})
	conn, err := d.Dial(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func timedOut(err error) bool {
	var dial *health.DialError
	return errors.As(err, &dial) && dial.Reason == health.Timeout
}
