//go:build linux

package loop

import (
	"errors"
	"io"
	"os"
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

// A reset that the kernel has reported to Quiet is there for Read.
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

// PeerLeft distinguishes an end of the stream, before which bytes wait, from a break.
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

// TryRead takes what has arrived, an end and a reset, and does not wait; AwaitReadable
// waits for any of them, and for a deadline.
func TestTryRead(t *testing.T) {
	l := oneLoop(t)
	conn, peer := pair(t, l)
	try := func() (got string, err error) {
		in(t, l, func() {
			var b [8]byte
			var n int
			n, err = conn.TryRead(b[:])
			got = string(b[:n])
		})
		return got, err
	}
	if got, err := try(); got != "" || err != nil {
		t.Errorf("before anything came: %q, %v", got, err)
	}
	in(t, l, func() {
		_ = conn.SetReadDeadline(time.Unix(1, 0))
		conn.AwaitReadable()
		if _, err := conn.TryRead(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("past the deadline: %v", err)
		}
		_ = conn.SetReadDeadline(time.Time{})
	})
	write(t, peer, "some")
	in(t, l, conn.AwaitReadable)
	eventually(t, "the bytes", func() bool { got, err := try(); return got == "some" && err == nil })
	in(t, l, func() { conn.Unread([]byte("back")) })
	if got, err := try(); got != "back" || err != nil {
		t.Errorf("put back: %q, %v", got, err)
	}
	_ = peer.CloseWrite()
	in(t, l, conn.AwaitReadable)
	eventually(t, "the end", func() bool { _, err := try(); return err == io.EOF })

	broken, resets := pair(t, l)
	resetNet(resets)
	in(t, l, broken.AwaitReadable)
	in(t, l, func() {
		if n, err := broken.TryRead(make([]byte, 1)); n > 0 || err == nil || err == io.EOF {
			t.Errorf("after a reset: %d bytes, %v", n, err)
		}
	})
}
