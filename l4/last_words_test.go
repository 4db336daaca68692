package l4

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"fourseven/internal/loop"
	"fourseven/internal/testkit"
)

// lastWords returns a backend that sends a text to whoever sends it a byte, and then
// does as told. What it sends has left it by then.
func lastWords(t *testing.T, text []byte, then func(*net.TCPConn)) *proxy {
	return start(t, &Server{}, backend(t, func(conn *net.TCPConn) {
		_, _ = io.ReadFull(conn, make([]byte, 1))
		_, _ = conn.Write(text)
		awaitAcked(t, conn)
		then(conn)
	}))
}

// slowReader returns a client that has asked and does not read yet.
func slowReader(t *testing.T, p *proxy) *net.TCPConn {
	t.Helper()
	conn := p.dial(t)
	_, _ = conn.Write([]byte{'?'})
	return conn
}

// awaitRelay waits until the one relay is as wanted, or over.
func awaitRelay(t *testing.T, p *proxy, is string, wanted func(*relay) bool) {
	t.Helper()
	testkit.Eventually(t, is, func() bool {
		ok := len(p.endc) > 0
		p.Relays.each(func(s *relaySet) {
			for _, p := range s.open {
				ok = ok || wanted(p.relay)
			}
		})
		return ok
	})
}

// Pins that a client gets all that a backend sent before it broke, also if the client
// ends its own stream meanwhile: that cannot be passed on any more.
func TestLastWordsAfterTheClientsEnd(t *testing.T) {
	if loop.MaxPipes == 0 {
		t.Skip("the portable loops learn of a reset by reading only")
	}
	text := random(1 << 20)
	p := lastWords(t, text, func(conn *net.TCPConn) { Reset(conn) })
	conn := slowReader(t, p)
	awaitRelay(t, p, "the relay knows of the reset", func(r *relay) bool { return r.backend.Err() != nil })
	_ = conn.CloseWrite()
	awaitRelay(t, p, "the relay knows of the end", func(r *relay) bool { return r.ended == 1 })
	wantReset(t, conn, string(text))
	p.wantEnding(t, BackendReset)
}

// Pins that a client gets all that a backend sent before it closed, also if the client
// goes on sending, to which the backend's kernel responds with a reset.
func TestLastWordsToAClientThatGoesOnSending(t *testing.T) {
	text := random(512 << 10)
	p := lastWords(t, text, func(conn *net.TCPConn) { _ = conn.Close() })
	conn := slowReader(t, p)
	awaitRelay(t, p, "the backend's end is passed on", func(r *relay) bool { return r.ended == 1 })
	_, _ = conn.Write([]byte("more"))
	awaitRelay(t, p, "the relay knows of the reset", func(r *relay) bool { return r.backend.Err() != nil })
	_, _ = conn.Write([]byte("yet more"))
	awaitAcked(t, conn)
	testkit.Eventually(t, "the relay has read it", func() bool { return unread(&p.Relays) == 0 })
	got, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) || !bytes.Equal(got, text) {
		t.Errorf("%d bytes of %d, %v", len(got), len(text), err)
	}
	p.wantEnding(t, BackendReset)
}
