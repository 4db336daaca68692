//go:build linux

package l4

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fourseven/health"
	"fourseven/internal/testkit"
)

func TestTurnsAlternate(t *testing.T) {
	p := start(t, &Server{}, backend(t, named("1")), backend(t, named("2")))
	var got string
	for range 4 {
		got += ask(t, p)
	}
	if got != "1212" {
		t.Errorf("answers %s, want 1212", got)
	}
}

// Pins that a refused dial goes to a backend not yet tried, at once, and takes
// no other client's turn.
func TestRefusedDialGoesToAnother(t *testing.T) {
	p := start(t, &Server{Retries: 2}, refusing(t), backend(t, named("2")), backend(t, named("3")))
	count := map[string]int{}
	for range 30 {
		began := time.Now()
		count[ask(t, p)]++
		if d := time.Since(began); d > wait/2 { // a dial may take longer than that
			t.Errorf("served after %s", d)
		}
	}
	if count["2"] != 15 || count["3"] != 15 {
		t.Errorf("answers %v, want 15 from each", count)
	}
}

func TestNobodyAnswersIsAReset(t *testing.T) {
	tests := []struct {
		name  string
		begin func() *proxy
		want  Ending
	}{
		{"no backend is up", func() *proxy { return start(t, &Server{}) }, NoBackend},
		{"all refuse", func() *proxy { return start(t, &Server{Retries: 2}, refusing(t), refusing(t)) }, ConnectFailed},
		{"retries are used up", func() *proxy { return start(t, &Server{}, refusing(t), backend(t, echo)) }, ConnectFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.begin()
			began := time.Now()
			conn, err := net.Dial("tcp", p.addr)
			if err == nil {
				wantReset(t, conn, "")
				_ = conn.Close()
			} else if !errors.Is(err, syscall.ECONNRESET) { // so fast that it met the dial
				t.Error(err)
			}
			if d := time.Since(began); d > wait/2 { // a dial may take longer than that
				t.Errorf("reset after %s", d)
			}
			p.wantEnding(t, tt.want)
		})
	}
}

// Pins that a backend which does not answer costs its clients one dial's timeout.
func TestHangingDialGoesToAnother(t *testing.T) {
	const timeout = 300 * time.Millisecond
	p := start(t, &Server{Retries: 1, Dialer: &Dialer{Timeout: timeout}}, blackhole(t), backend(t, named("2")))
	retries := 0
	for range 2 {
		if got := ask(t, p); got != "2" {
			t.Errorf("answer %q", got)
		}
		rec := p.wantEnding(t, EOF)
		if rec.Retries == 1 && (rec.Dial < timeout || rec.Dial > wait/2) {
			t.Errorf("dialled the other backend after %s, want %s", rec.Dial, timeout)
		}
		retries += rec.Retries
	}
	if retries != 1 {
		t.Errorf("%d retries for two clients, want 1: the silent backend has one turn", retries)
	}
}

// exhaust lets the process open no descriptor until the function that it returns is
// called, or the test ends.
func exhaust(t *testing.T) (restore func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	restore = sync.OnceFunc(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) })
	t.Cleanup(restore)
	return restore
}

// knock has a socket connect to the address without a further descriptor.
func knock(t *testing.T, fd int, addr string) {
	t.Helper()
	ap := netip.MustParseAddrPort(addr)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: ap.Addr().As4(), Port: int(ap.Port())}); err != nil {
		t.Fatal(err)
	}
}

func streamSocket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// Pins that accept errors do not end the loop, and that they do not flood the log.
func TestAcceptErrorsDoNotEndTheLoop(t *testing.T) {
	var log lockedBuffer
	srv := &Server{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	p := start(t, srv, backend(t, named("1")))
	if got := ask(t, p); got != "1" {
		t.Fatalf("answer %q", got)
	}
	fd := streamSocket(t)
	began := time.Now()
	restore := exhaust(t)
	knock(t, fd, p.addr)
	testkit.Eventually(t, "four accepts have failed", func() bool { return p.Stats().AcceptErrors >= 4 })
	restore()
	buf := make([]byte, 1)
	if n, err := unix.Read(fd, buf); n != 1 || buf[0] != '1' {
		t.Errorf("answer %q, %v after accept errors", buf[:max(n, 0)], err)
	}
	most := 1 + int(time.Since(began)/time.Second)
	if n := strings.Count(log.String(), "msg=accept"); n < 1 || n > most {
		t.Errorf("%d lines in %s, want one a second:\n%s", n, time.Since(began), log.String())
	}
}

// Pins that an idle listener's closing is noticed during the back-off, too.
func TestShutdownDuringBackOff(t *testing.T) {
	p := start(t, &Server{}, backend(t, named("1")))
	if got := ask(t, p); got != "1" {
		t.Fatalf("answer %q", got)
	}
	fd := streamSocket(t)
	restore := exhaust(t)
	knock(t, fd, p.addr)
	testkit.Eventually(t, "accepts pause for longer than a test waits", func() bool { return p.Stats().AcceptErrors >= 8 })
	donec := make(chan struct{})
	go func() { _ = p.stop(context.Background()); close(donec) }()
	select {
	case <-donec:
	case <-time.After(wait):
		t.Fatal("Serve goes on after Shutdown")
	}
	restore()
}

// Pins that a panic while a connection is served ends that one alone, and gives back
// what it held.
func TestPanicEndsItsConnection(t *testing.T) {
	var log lockedBuffer
	var boom atomic.Bool
	boom.Store(true)
	b := backend(t, named("1"))
	p := start(t, &Server{
		Slots: NewSlots(1), Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Dialer: &Dialer{Timeout: wait, Dialled: func(time.Duration) {
			if boom.Load() {
				panic("boom")
			}
		}},
	}, b)
	if conn, err := net.Dial("tcp", p.addr); err == nil {
		wantReset(t, conn, "")
		_ = conn.Close()
	} else if !errors.Is(err, syscall.ECONNRESET) { // so fast that it met the dial
		t.Error(err)
	}
	p.wantEnding(t, ConnectFailed)
	boom.Store(false)
	if got := ask(t, p); got != "1" {
		t.Errorf("answer %q after a panic", got)
	}
	testkit.Eventually(t, "the backend has no connection", func() bool { return b.Active() == 0 })
	if !strings.Contains(log.String(), "panic=boom") {
		t.Errorf("not logged:\n%s", log.String())
	}
}

func TestServeAfterShutdown(t *testing.T) {
	srv := &Server{Pool: health.NewPool()}
	_ = srv.Shutdown(t.Context())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Serve(ln); !errors.Is(err, ErrServerClosed) {
		t.Errorf("Serve returned %v", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener was left open: %v", err)
	}
}

func TestShutdownLetsLiveConnectionsEnd(t *testing.T) {
	// Nobody else may get the address once the listener is closed.
	ln, err := Listen(t.Context(), testkit.ReserveAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	p := startOn(t, ln, &Server{}, backend(t, echo))
	conn := p.dial(t)
	exchange(t, conn, "before")
	stopc := make(chan error, 1)
	go func() { stopc <- p.stop(context.Background()) }()
	testkit.Eventually(t, "the listener is closed", func() bool {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	exchange(t, conn, "while draining")
	_ = conn.CloseWrite()
	if _, err := io.ReadAll(conn); err != nil {
		t.Errorf("a connection that ended by itself: %v", err)
	}
	if err := <-stopc; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestShutdownResetsWhatRemains(t *testing.T) {
	p := start(t, &Server{}, backend(t, echo))
	conn := p.dial(t)
	exchange(t, conn, "x")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	wantReset(t, conn, "")
	p.wantEnding(t, Drain)
	if n := p.Active(); n != 0 {
		t.Errorf("%d connections live after Shutdown", n)
	}
}

// Pins that a shutdown does not wait for the dial of a backend that is silent.
func TestShutdownCutsDials(t *testing.T) {
	hole := blackhole(t)
	p := start(t, &Server{Dialer: &Dialer{Timeout: time.Minute}}, hole)
	conn := p.dial(t)
	testkit.Eventually(t, "the dial has begun", func() bool { return p.Active() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	_ = p.stop(ctx)
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("Shutdown took %s", d)
	}
	wantReset(t, conn, "")
	p.wantEnding(t, Drain)
}

// blackhole returns a backend whose queue is full, so that a dial hangs.
func blackhole(t testing.TB) *health.Backend {
	t.Helper()
	fd, addr := queue(t, 0)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	testkit.Eventually(t, "the queue is full", func() bool {
		// Of a listener Unacked is the length of its queue, and Sacked how long it may be.
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return err == nil && info.Unacked > info.Sacked
	})
	return health.NewBackend(addr)
}
