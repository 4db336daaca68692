//go:build linux

package l7_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fourseven/internal/testkit"
	"fourseven/l4"
	"fourseven/l7"
)

const plainGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// emptied returns a listener that loses nobody who has connected when it closes.
func emptied(t *testing.T) net.Listener {
	t.Helper()
	ln, err := l4.ListenShared(t.Context(), testkit.ReserveAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// shutdown begins a shutdown, and returns when it has begun, with the channel for
// its result.
func (p *proxy) shutdown(t *testing.T, ctx context.Context) <-chan error {
	t.Helper()
	downc := make(chan error, 1)
	go func() { downc <- p.Shutdown(ctx) }()
	testkit.Eventually(t, "the shutdown to begin", func() bool {
		conn, err := net.Dial("tcp", p.addr)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	return downc
}

// wantLast sends a request, and wants an answer that says it is the last.
func wantLast(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, plainGet); err != nil {
		t.Fatal(err)
	}
	if resp, body := readResponse(t, bufio.NewReader(conn), plainGet); body != "ok" || !resp.Close {
		t.Errorf("got %q, Connection: close %v", body, resp.Close)
	}
}

// TestLastRequest pins that who waits for a request during a drain gets one answered,
// which says that it was the last.
func TestLastRequest(t *testing.T) {
	p := startProxyOn(t, emptied(t), func(s *l7.Server) { s.LastRequest = patience }, httpBackend(t, answerOK))
	kept, fresh := p.dial(t), p.dial(t)
	if _, err := io.WriteString(kept, plainGet); err != nil {
		t.Fatal(err)
	}
	if resp, _ := readResponse(t, bufio.NewReader(kept), plainGet); resp.Close {
		t.Error("Connection: close before the shutdown")
	}
	downc := p.shutdown(t, t.Context())
	wantLast(t, kept)
	wantLast(t, fresh)
	if err := <-downc; err != nil {
		t.Error(err)
	}
}

// TestLastRequestTime pins how long such a connection waits.
func TestLastRequestTime(t *testing.T) {
	const last = 300 * time.Millisecond
	p := startProxyOn(t, emptied(t), func(s *l7.Server) { s.LastRequest = last }, httpBackend(t, answerOK))
	conn := p.dial(t)
	// Serve refuses a listener that it is given after Shutdown, and all who wait there.
	testkit.Eventually(t, "the connection is served", func() bool { return p.Stats().Active == 1 })
	began := time.Now()
	downc := p.shutdown(t, t.Context())
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
	if took := time.Since(began); took < last || took > last+patience/4 {
		t.Errorf("ended after %s, want %s", took, last)
	}
	_ = conn.Close()
	if err := <-downc; err != nil {
		t.Error(err)
	}
}

// TestLateRequest pins that a request on an idle connection that the server has just
// ended is met with the end of the stream, not with a reset.
func TestLateRequest(t *testing.T) {
	p := startProxyOn(t, emptied(t), nil, httpBackend(t, answerOK))
	conn := p.dial(t)
	// Serve refuses a listener that it is given after Shutdown, and all who wait there.
	testkit.Eventually(t, "the connection is served", func() bool { return p.Stats().Active == 1 })
	downc := p.shutdown(t, t.Context())
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("got %v, want EOF", err)
	}
	if _, err := io.WriteString(conn, plainGet); err != nil {
		t.Error(err)
	}
	if err := <-downc; err != nil {
		t.Error(err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		if code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); code != 0 || err != nil {
			t.Errorf("the connection broke: %v, %v", unix.Errno(code), err)
		}
	})
}

// TestShutdownEmptiesQueue pins that clients who wait for a slot while the server is
// shut down are served.
func TestShutdownEmptiesQueue(t *testing.T) {
	slots := l4.NewSlots(2)
	p := startProxyOn(t, emptied(t), func(s *l7.Server) { s.Slots, s.LastRequest = slots, patience }, httpBackend(t, answerOK))
	var conns []net.Conn
	for range 20 {
		conns = append(conns, p.dial(t))
	}
	testkit.Eventually(t, "the slots to be taken", func() bool { return slots.Taken() == 2 })
	downc := make(chan error, 1)
	go func() { downc <- p.Shutdown(t.Context()) }()
	// All send at once: one that has a slot and sends nothing for a second gives way.
	for _, conn := range conns {
		if _, err := io.WriteString(conn, plainGet); err != nil {
			t.Fatal(err)
		}
	}
	for _, conn := range conns {
		if _, body := readResponse(t, bufio.NewReader(conn), plainGet); body != "ok" {
			t.Errorf("got %q", body)
		}
		_ = conn.Close()
	}
	if err := <-downc; err != nil {
		t.Error(err)
	}
}
