package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// listen serves accept on a loopback port until the test ends.
func listen(t *testing.T, accept func(net.Listener)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); accept(ln) }()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String()
}

func listenBackend(t *testing.T) string {
	t.Helper()
	return listen(t, func(ln net.Listener) { _ = newBackend().accept(ln) })
}

// listenTLSBackend is listenBackend with a pair of that name.
func listenTLSBackend(t *testing.T, pair string) string {
	t.Helper()
	dir := t.TempDir()
	if err := writePairs(dir); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, pair+".crt"), filepath.Join(dir, pair+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return listen(t, func(ln net.Listener) {
		_ = newBackend().accept(tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}}))
	})
}

func noCPU() (time.Duration, error) { return 0, nil }

// shortDuration is enough for some operations of each kind on a busy machine.
const shortDuration = 300 * time.Millisecond

func shortLoad(addr string, s scenario) *load {
	return &load{
		addrs: []string{addr}, conns: min(s.conns, 32), open: s.open,
		warmup: 5 * time.Millisecond, duration: shortDuration, cpu: noCPU,
	}
}

func TestEveryScenarioAgainstTheBackend(t *testing.T) {
	t.Parallel()
	plain := listenBackend(t)
	addrs := map[protocol]string{
		overTCP: plain, overHTTP: plain,
		overTLS: listenTLSBackend(t, ecdsaPair), overTLSWithRSA: listenTLSBackend(t, rsaPair),
	}
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			got, err := shortLoad(addrs[s.protocol], s).run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got.count == 0 || got.elapsed < shortDuration || got.hist.TotalCount() == 0 {
				t.Errorf("got %+v", got)
			}
			if !s.bytes && got.hist.TotalCount() != got.count {
				t.Errorf("%d latencies of %d operations", got.hist.TotalCount(), got.count)
			}
		})
	}
}

func TestOpenLoadKeepsItsRate(t *testing.T) {
	t.Parallel()
	l := shortLoad(listenBackend(t), scenario{conns: 4, open: openEcho(dial)})
	l.rate, l.duration = 500, 2*time.Second
	got, err := l.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// 1,000 are due. A machine with no time to spare may be late for some.
	if got.count < 500 || got.count > 1100 {
		t.Errorf("%d operations in %v, want about 1,000", got.count, got.elapsed)
	}
}

// wire answers a connection's first bytes with text and closes it.
func wire(text string) func(net.Listener) {
	return func(ln net.Listener) {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 200))
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}
}

// Whatever goes wrong in one worker, the sample is an error.
func TestErrorVoidsTheSample(t *testing.T) {
	t.Parallel()
	small := openHTTP(smallAnswer)
	tests := []struct {
		name, answer, want string
		open               opener
	}{
		{"echo of something else", strings.Repeat("x", 64), "differs", openEcho(dial)},
		{"echo cut off", "xx", "", openEcho(dial)},
		{"bulk ends", strings.Repeat("x", 1000), "", openBulk(dial)},
		{"connection says more", "!!", "expected 1 byte and the end", openConnect},
		{"connection says nothing", "", "expected 1 byte and the end", openConnect},
		{"connection says another", "?", "expected 1 byte and the end", openConnect},
		{"status 503", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 35\r\n\r\n", "expected status 200", small},
		{"another length", "HTTP/1.1 200 OK\r\ncontent-length: 34\r\n\r\n", "expected a body of 35 bytes, got 34", small},
		{"bad length", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "invalid syntax", small},
		{"no length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "no Content-Length", small},
		{"body cut off", "HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\nabc", "after 3 bytes of the body", small},
		{"body too long", "HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n" + strings.Repeat("x", 36), "1 bytes follow", small},
		{"head without end", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: x\r\n", 2000), "does not end", small},
		{"no answer", "", "", small},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := shortLoad(listen(t, wire(tt.answer)), scenario{conns: 3, open: tt.open})
			_, err := l.run(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		if _, err := shortLoad(testkit.ReserveAddr(t), scenario{conns: 3, open: openConnect}).run(t.Context()); err == nil {
			t.Error("no error")
		}
	})
}

func TestUnreadableClockVoidsTheSample(t *testing.T) {
	t.Parallel()
	l := shortLoad(listenBackend(t), scenario{conns: 1, open: openEcho(dial)})
	gone := errors.New("it has ended")
	l.cpu = func() (time.Duration, error) { return 0, gone }
	if _, err := l.run(t.Context()); !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
}

// A peer that never answers does not hold up an interrupted run.
func TestInterruptEndsTheLoad(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	addr := listen(t, func(ln net.Listener) {
		var held []net.Conn
		for {
			conn, err := ln.Accept()
			if err != nil {
				break
			}
			if held = append(held, conn); len(held) == 3 {
				cancel(interrupted)
			}
		}
		for _, conn := range held {
			_ = conn.Close()
		}
	})
	l := shortLoad(addr, scenario{conns: 3, open: openEcho(dial)})
	if _, err := l.run(ctx); !errors.Is(err, interrupted) {
		t.Errorf("got %v, want %v", err, interrupted)
	}
}
