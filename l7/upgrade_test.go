package l7_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"fourseven/health"
	"fourseven/internal/testkit"
	"fourseven/l7"
)

const upgrade = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\nSec-WebSocket-KEY: x\r\n\r\n"

// switching agrees to the upgrade, says hello in the same breath, and echoes.
func switching(nc net.Conn) {
	br := bufio.NewReader(nc)
	if _, err := http.ReadRequest(br); err != nil {
		return
	}
	_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\nsec-websocket-ACCEPT: y\r\n\r\nhello ")
	_, _ = io.Copy(nc, br)
}

// TestUpgrade pins that bytes already read on either side are passed on, that the
// case of fields is kept, and that the ends of streams are passed on.
func TestUpgrade(t *testing.T) {
	p := startProxy(t, nil, scriptedBackend(t, switching))
	nc := p.dial(t)
	_, _ = io.WriteString(nc, upgrade+"early ")
	_, _ = io.WriteString(nc, "late")
	_ = nc.CloseWrite()
	got, err := io.ReadAll(nc)
	const want = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nsec-websocket-ACCEPT: y\r\nConnection: Upgrade\r\n\r\nhello early late"
	if string(got) != want || err != nil {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
}

// TestUpgradeOff pins that without Relays no backend is asked to switch.
func TestUpgradeOff(t *testing.T) {
	asked := make(chan http.Header, 1)
	p := startProxy(t, func(s *l7.Server) { s.Relays = nil },
		httpBackend(t, func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header }))
	if resp, _ := p.do(t, upgrade); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
	if h := <-asked; h.Get("Upgrade")+h.Get("Connection") != "" {
		t.Errorf("the backend was asked: %v", h)
	}
}

// TestWebSocket has a client library talk to a server library.
func TestWebSocket(t *testing.T) {
	p := startProxy(t, nil, httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			InsecureSkipVerify: true, CompressionMode: websocket.CompressionContextTakeover})
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		c.SetReadLimit(4 << 20)
		for {
			kind, msg, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), kind, msg); err != nil {
				return
			}
		}
	}))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+p.addr+"/", &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(4 << 20)
	for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		msg := strings.Repeat("m", size)
		if err := c.Write(ctx, websocket.MessageText, []byte(msg)); err != nil {
			t.Fatal(err)
		}
		if _, got, err := c.Read(ctx); err != nil || string(got) != msg {
			t.Fatalf("echo of %d bytes: %d, %v", size, len(got), err)
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestUpgradeShutdown pins that upgraded connections count as active and stay open when
// a shutdown begins, and that they are reset when its time is over.
func TestUpgradeShutdown(t *testing.T) {
	s := newServer(health.NewBackend(scriptedBackend(t, switching)))
	ln := testkit.Listen(t)
	go func() { _ = s.Serve(ln) }()
	p := &proxy{s, ln.Addr().String()}
	nc := p.dial(t)
	br := bufio.NewReader(nc)
	_, _ = io.WriteString(nc, upgrade)
	if _, err := http.ReadResponse(br, nil); err != nil {
		t.Fatal(err)
	}
	if n := s.Active(); n != 1 {
		t.Errorf("active: %d, want 1", n)
	}
	before, now := context.WithCancel(t.Context())
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(before) }()
	testkit.Eventually(t, "the listener is closed", func() bool {
		probe, err := net.Dial("tcp", p.addr)
		if err == nil {
			_ = probe.Close()
		}
		return err != nil
	})
	_, _ = io.WriteString(nc, "still here")
	var got [16]byte
	if _, err := io.ReadFull(br, got[:]); string(got[:]) != "hello still here" {
		t.Errorf("in the shutdown: %q, %v", got, err)
	}
	now()
	if err := <-down; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := br.ReadByte(); err == nil || s.Active() != 0 {
		t.Errorf("after the shutdown: %v, active %d", err, s.Active())
	}
}

// TestShutdownCutsOff pins that a request in flight is cut off when the shutdown's
// time is over, and that nothing is left then.
func TestShutdownCutsOff(t *testing.T) {
	asked := make(chan struct{})
	backend := scriptedBackend(t, func(nc net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
			close(asked)
		}
		_, _ = io.Copy(io.Discard, nc)
	})
	s := newServer(health.NewBackend(backend))
	ln := testkit.Listen(t)
	before := testkit.Descriptors(t)
	go func() { _ = s.Serve(ln) }()
	p := &proxy{s, ln.Addr().String()}
	nc := p.dial(t)
	_, _ = io.WriteString(nc, get)
	<-asked
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := nc.Read(make([]byte, 1)); err == nil || s.Active() != 0 {
		t.Errorf("after the shutdown: %v, active %d", err, s.Active())
	}
	_ = nc.Close()
	testkit.Eventually(t, "no descriptor is left", func() bool { return testkit.Descriptors(t) < before }) // the listener is closed too
}
