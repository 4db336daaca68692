//go:build linux

package loop

import (
	"errors"
	"io"
	"testing"
	"time"
)

// Quiet sees what has arrived although nothing waits for it, and leaves it there.
func TestQuiet(t *testing.T) {
	l := oneLoop(t)
	conn, peer := pair(t, l)
	quiet := func() (is bool) {
		in(t, l, func() { is = conn.Quiet() })
		return is
	}
	if !quiet() {
		t.Error("a connection without bytes is not quiet")
	}
	write(t, peer, "x")
	eventually(t, "the byte to arrive", func() bool { return !quiet() })
	in(t, l, func() {
		var b [1]byte
		if n, err := conn.Read(b[:]); n != 1 || b[0] != 'x' {
			t.Errorf("read %q, %v", b[:n], err)
		}
	})
	if !quiet() {
		t.Error("not quiet once the byte is read")
	}
	_ = peer.CloseWrite()
	eventually(t, "the end to arrive", func() bool { return !quiet() })
}

// A reset that Quiet was told of is there for Read.
func TestQuietKeepsReset(t *testing.T) {
	l := oneLoop(t)
	conn, peer := pair(t, l)
	resetNet(peer)
	eventually(t, "the reset to arrive", func() (arrived bool) {
		in(t, l, func() { arrived = !conn.Quiet() })
		return arrived
	})
	in(t, l, func() {
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("read returns %v, want a reset", err)
		}
	})
}

// PeerLeft tells an end of the stream, before which bytes wait, from a break.
func TestPeerLeft(t *testing.T) {
	l := oneLoop(t)
	conn, peer := pair(t, l)
	left := func() (ended, gone bool) {
		in(t, l, func() { ended, gone = conn.PeerLeft() })
		return ended, gone
	}
	if ended, gone := left(); ended || gone {
		t.Errorf("at first: %v, %v", ended, gone)
	}
	write(t, peer, "unread")
	_ = peer.CloseWrite()
	eventually(t, "the end to arrive", func() bool { ended, gone := left(); return ended && !gone })
	resetNet(peer)
	eventually(t, "the reset to arrive", func() bool { _, gone := left(); return gone })
}

// TryWrite takes what there is room for, also when a deadline has passed.
func TestTryWrite(t *testing.T) {
	l := oneLoop(t)
	conn, peer := pair(t, l)
	in(t, l, func() {
		_ = conn.SetDeadline(time.Unix(1, 0))
		if n := conn.TryWrite([]byte("early")); n != 5 {
			t.Errorf("%d bytes written", n)
		}
		for conn.TryWrite(make([]byte, 1<<20)) > 0 {
		}
	})
	wantBytes(t, peer, "early")
}
