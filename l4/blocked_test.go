package l4

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// smallUpload sends messages that are too small for splice until the connection
// takes no more for a while.
func smallUpload(conn net.Conn) {
	block := make([]byte, 8<<10)
	for {
		_ = conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err := conn.Write(block); err != nil {
			return
		}
	}
}

// Pins that a cut does not wait for a half that is stuck in a write: closing the
// source waits for whoever uses it.
func TestCutOfAStuckUpload(t *testing.T) {
	tests := []struct {
		name string
		srv  *Server
		cut  func(p *proxy)
		want Ending
	}{
		{"drain", &Server{}, func(p *proxy) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_ = p.stop(ctx)
		}, Drain},
		{"idle", &Server{Relays: Relays{Limits: Limits{IdleTimeout: 2 * time.Second}}}, func(*proxy) {}, Idle},
		{"max age", &Server{Relays: Relays{Limits: Limits{MaxAge: 2 * time.Second}}}, func(*proxy) {}, MaxAge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			donec := make(chan struct{})
			p := start(t, tt.srv, backend(t, func(*net.TCPConn) { <-donec }))
			defer close(donec)
			conn := p.dial(t)
			smallUpload(conn)
			tt.cut(p)
			p.wantEnding(t, tt.want)
			if tt.want != Drain { // the server goes on
				exchangeable(t, p.dial(t))
			}
		})
	}
}

// Pins that a relay ends, and the process goes on, when the writes of both halves
// fail: neither reads an end or a reset then.
func TestBothWritesFail(t *testing.T) {
	for range 3 {
		resetc := make(chan struct{})
		p := start(t, &Server{}, backend(t, func(conn *net.TCPConn) {
			defer close(resetc)
			_, _ = io.ReadFull(conn, make([]byte, 2))
			_ = conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			_, _ = conn.Write(make([]byte, 16<<20)) // more than anybody takes: the client does not read
			Reset(conn)
		}))
		conn := p.dial(t)
		_ = conn.SetReadBuffer(4 << 10)
		_, _ = conn.Write([]byte("hi"))
		<-resetc
		_, _ = conn.Write([]byte("more")) // cannot be written to the backend any more
		awaitAcked(t, conn)
		testkit.Eventually(t, "the relay has read it", func() bool { return unread(&p.Relays) == 0 })
		Reset(conn)
		select {
		case rec := <-p.endc:
			if rec.Reason != ClientReset && rec.Reason != BackendReset {
				t.Errorf("ended with %s", rec.Reason)
			}
		case <-time.After(wait):
			t.Fatal("the relay does not end")
		}
		if err := p.stop(t.Context()); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// unread returns how many bytes of clients the relays have not read yet.
func unread(rs *Relays) (n int) {
	rs.each(func(s *relaySet) {
		for _, p := range s.open {
			control(p.relay.client.bare(), func(fd uintptr) { n += waiting(fd) })
		}
	})
	return n
}
