//go:build linux

package l4

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shared listens on an address that is to be shared.
func shared(t *testing.T, addr string) *Shared {
	t.Helper()
	l, err := ListenShared(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// wantAllAt dials the addresses often, and wants all to be in the queue of one
// listener, and then to have been taken from it.
func wantAllAt(t *testing.T, l *Shared, addrs ...string) {
	t.Helper()
	const each = 50 // by a hash, that all went to one of two would take some luck
	for _, addr := range addrs {
		for range each {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
	got := 0
	for !l.empty() {
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		got++
	}
	if want := each * len(addrs); got != want {
		t.Errorf("%d of %d connections", got, want)
	}
}

// TestSharedSteers pins who of two listeners gets the new connections: the newer
// one, and when it steps back or is gone, the older one.
func TestSharedSteers(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "[::1]", "[::]", ""} {
		t.Run(host, func(t *testing.T) {
			first := shared(t, host+":0")
			addr := fmt.Sprintf("%s:%d", host, first.Addr().(*net.TCPAddr).Port)
			dials := []string{addr}
			if host == "" || host == "[::]" { // both families
				_, port, _ := strings.Cut(strings.TrimPrefix(addr, "[::]"), ":")
				dials = []string{"127.0.0.1:" + port, "[::1]:" + port}
			}
			wantAllAt(t, first, dials...)
			second := shared(t, addr)
			if first.TookOver() || !second.TookOver() {
				t.Errorf("took over: the first %v, the second %v", first.TookOver(), second.TookOver())
			}
			wantAllAt(t, second, dials...)
			for _, step := range []struct{ back, getsAll *Shared }{{first, second}, {second, first}} {
				if err := step.back.StepBack(); err != nil {
					t.Fatal(err)
				}
				wantAllAt(t, step.getsAll, dials...)
			}
			_ = second.Close()
			wantAllAt(t, first, dials...)
			third := shared(t, addr)
			wantAllAt(t, third, dials...)
			_ = first.Close()
			wantAllAt(t, third, dials...)
			fourth := shared(t, addr)
			if err := third.StepBack(); err != nil {
				t.Fatal(err)
			}
			wantAllAt(t, fourth, dials...)
			_ = fourth.Close() // as if it had died
			wantAllAt(t, third, dials...)
		})
	}
}

// TestSharedByThree pins that a third listener is refused, and is not felt.
func TestSharedByThree(t *testing.T) {
	first := shared(t, "127.0.0.1:0")
	second := shared(t, first.Addr().String())
	_, err := ListenShared(t.Context(), first.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "2 processes listen there already, expected one at most") {
		t.Errorf("got %v", err)
	}
	wantAllAt(t, second, first.Addr().String())
}

// TestSharedWithOthers pins what is said of an address that cannot be shared.
func TestSharedWithOthers(t *testing.T) {
	plain, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	addrs := []string{plain.Addr().String()}
	if unix.Getuid() == 0 { // who alone can be another user
		addrs = append(addrs, sharedByAnother(t))
	}
	for _, addr := range addrs {
		_, err := ListenShared(t.Context(), addr)
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "by a process that does not share it, or by one of another user") {
			t.Errorf("%s: got %v", addr, err)
		}
	}
}

// sharedByAnother returns an address that another user listens on and shares.
func sharedByAnother(t *testing.T) string {
	t.Helper()
	// The user of a socket is the one for whom its thread opens files.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setfsuid(0) }()
	return shared(t, "127.0.0.1:0").Addr().String()
}

// TestSharedCloseWhenEmpty pins that who waits in the queue is accepted, whether
// Accept waited meanwhile or not, and that nobody is from then on.
func TestSharedCloseWhenEmpty(t *testing.T) {
	for _, n := range []int{0, 1, 100} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			l := shared(t, "127.0.0.1:0")
			for range n {
				conn, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
			}
			l.CloseWhenEmpty()
			wantAccepted(t, l, n)
		})
	}
	t.Run("waiting", func(t *testing.T) {
		l := shared(t, "127.0.0.1:0")
		time.AfterFunc(10*time.Millisecond, l.CloseWhenEmpty) // Accept waits by then, or not yet
		wantAccepted(t, l, 0)
	})
}

// wantAccepted wants n connections and then the end.
func wantAccepted(t *testing.T, l *Shared, n int) {
	t.Helper()
	for i := range n + 1 {
		conn, err := l.Accept()
		if i == n {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("after %d connections: %v, want %v", n, err, net.ErrClosed)
			}
			return
		}
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		_ = conn.Close()
	}
}
