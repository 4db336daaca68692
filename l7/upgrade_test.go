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

// TestUpgradeWithBody pins that an upgrade is passed on with a body of known length, as
// Docker's "exec" sends it, and that the new protocol begins behind the body: whether it
// comes with the head or in pieces, and also if the backend switches before it has read it.
func TestUpgradeWithBody(t *testing.T) {
	const body = `{"Detach":false,"Tty":true}`
	const head = "POST /exec/1/start HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 27\r\n\r\n"
	for _, tt := range []struct {
		name, head string
		pieces     []string // sent one after the other, each when the backend has the one before
		early      bool     // the backend switches when it has the head
		interim    string
	}{
		{name: "with its head", head: head, pieces: []string{head + body}},
		{name: "with the new protocol's first bytes", head: head, pieces: []string{head + body + "first "}},
		{name: "in pieces", head: head, pieces: []string{head, body[:10], body[10:]}},
		{name: "after the switch", head: head, pieces: []string{head, body[:10], body[10:] + "first "}, early: true},
		{name: "after 100", head: strings.Replace(head, "Content", "Expect: 100-continue\r\nContent", 1),
			pieces:  []string{strings.Replace(head, "Content", "Expect: 100-continue\r\nContent", 1), body},
			interim: "HTTP/1.1 100 Continue\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan int, 100) // how much of the request the backend has
			p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
				defer close(got)
				br := bufio.NewReader(nc)
				req, err := http.ReadRequest(br)
				if err != nil || req.Header.Get("Upgrade") != "tcp" || req.Header.Get("Connection") != "Upgrade" {
					t.Errorf("the backend got %v, %v", req, err)
					return
				}
				got <- len(tt.head)
				switching := func() {
					_, _ = io.WriteString(nc, tt.interim+"HTTP/1.1 101 Switching\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n")
				}
				if tt.early || tt.interim != "" {
					switching()
				}
				var all strings.Builder
				for all.Len() < len(body) {
					if _, err := io.CopyN(&all, req.Body, 1); err != nil {
						t.Errorf("after %q: %v", all.String(), err)
						return
					}
					got <- len(tt.head) + all.Len()
				}
				if all.String() != body {
					t.Errorf("the backend got the body %q", all.String())
				}
				if !tt.early && tt.interim == "" {
					switching()
				}
				_, _ = io.Copy(nc, br)
			}))
			nc := p.dial(t)
			sent, has := 0, 0
			for _, piece := range tt.pieces {
				for has < sent {
					n, ok := <-got
					if !ok {
						t.Fatal("the backend has given up")
					}
					has = n
				}
				_, _ = io.WriteString(nc, piece)
				sent += len(piece)
			}
			_, _ = io.WriteString(nc, "last")
			_ = nc.CloseWrite()
			all, err := io.ReadAll(nc)
			_, echoed, _ := strings.Cut(string(all), "Connection: Upgrade\r\n\r\n")
			want := strings.TrimPrefix(strings.Join(tt.pieces, "")+"last", tt.head+body)
			if !strings.HasPrefix(string(all), tt.interim+"HTTP/1.1 101 Switching\r\n") || echoed != want || err != nil {
				t.Errorf("got %q, %v; want %q echoed", all, err, want)
			}
		})
	}
}

// TestUpgradeBeforeBody pins that a client which leaves before its body has all arrived
// does not switch, and that nothing that follows is taken for the new protocol.
func TestUpgradeBeforeBody(t *testing.T) {
	rest := make(chan string, 1)
	p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
		br := bufio.NewReader(nc)
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n")
		all, _ := io.ReadAll(br)
		rest <- string(all)
	}))
	nc := p.dial(t)
	_, _ = io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 10\r\n\r\nhalf")
	_ = nc.CloseWrite()
	if all, _ := io.ReadAll(nc); strings.Contains(string(all), "101") {
		t.Errorf("got %q", all)
	}
	if got := <-rest; !strings.HasPrefix("half", got) {
		t.Errorf("the backend got %q", got)
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
