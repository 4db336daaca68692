//go:build linux

package l4

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Pins that a client that has stopped reading, for longer than the user timeout,
// is not taken for one that is gone: the kernel alone would end it.
func TestPausedReaderIsKept(t *testing.T) {
	const timeout, pause = 1200 * time.Millisecond, 4 * time.Second
	const total = 24 << 20
	srv := &Server{}
	srv.Relays.userTimeout = timeout
	p := start(t, srv, backend(t, func(conn *net.TCPConn) {
		_, _ = conn.Write(make([]byte, total))
	}))
	conn := p.dial(t)
	_ = conn.SetReadBuffer(64 << 10)
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	setUserTimeouts(t, &p.Relays, timeout)
	paused := time.NewTimer(pause)
	<-paused.C
	_ = conn.SetDeadline(time.Now().Add(wait))
	if n, err := io.Copy(io.Discard, conn); err != nil || n != total-1 {
		t.Errorf("%d bytes after a pause of %s, %v, want %d", n, pause, err, total-1)
	}
	_ = conn.Close()
	p.wantEnding(t, EOF)
}

// setUserTimeouts shortens the timeout of the sockets that live, which have the
// long one from TuneSocket.
func setUserTimeouts(t *testing.T, rs *Relays, d time.Duration) {
	t.Helper()
	rs.each(func(s *relaySet) {
		for _, p := range s.open {
			control(p.relay.client.bare(), func(fd uintptr) {
				if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds())); err != nil {
					t.Error(err)
				}
			})
		}
	})
}
