//go:build !portable

package loop

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

// The last bytes before an end of stream go out together with it, in one segment: two
// would wake the peer twice.
func TestLastBytesGoWithTheEnd(t *testing.T) {
	l := oneLoop(t)
	src, from := pair(t, l)
	dst, to := pair(t, l)
	write(t, from, "last words")
	_ = from.CloseWrite()
	eventually(t, "the end has arrived", func() (ended bool) {
		in(t, l, func() { ended, _ = src.PeerLeft() })
		return ended
	})
	in(t, l, func() {
		before := tcpInfo(t, dst).Segs_out
		if _, err := io.Copy(dst, src); err != nil {
			t.Error(err)
		}
		_ = dst.CloseWrite()
		if n := tcpInfo(t, dst).Segs_out - before; n != 1 {
			t.Errorf("%d segments", n)
		}
	})
	if got, err := io.ReadAll(to); string(got) != "last words" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}

// If the source breaks instead of ending, nothing is held back.
func TestLastBytesBeforeAReset(t *testing.T) {
	l := oneLoop(t)
	src, from := pair(t, l)
	dst, to := pair(t, l)
	write(t, from, "last words")
	eventually(t, "the bytes have arrived", func() (there bool) {
		in(t, l, func() { there = arrived(src) == 10 })
		return there
	})
	donec := make(chan error, 1)
	in(t, l, func() {
		src.register()
		src.readable, src.exact = true, true
		src.ends = unix.EPOLLRDHUP // an end has been reported, and breaks before it is read
		n, err := dst.move(src)
		if n != 10 || err != nil || !dst.held || tcpInfo(t, dst).Notsent_bytes != 10 {
			t.Errorf("moved %d, %v, of which %d are held back", n, err, tcpInfo(t, dst).Notsent_bytes)
		}
		src.fail(unix.ECONNRESET)
		_, err = dst.ReadFrom(src)
		if n := tcpInfo(t, dst).Notsent_bytes; n != 0 {
			t.Errorf("%d bytes are still held back", n)
		}
		donec <- err
	})
	wantOp(t, <-donec, "read", unix.ECONNRESET)
	wantBytes(t, to, "last words")
}

// A dialled connection gets TCP_NODELAY before the write that would need it.
func TestNoDelay(t *testing.T) {
	l := oneLoop(t)
	c, peer := pair(t, l)
	noDelay := func() int {
		n, err := unix.GetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_NODELAY)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	in(t, l, func() {
		for i := range 3 {
			if _, err := c.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			if want := min(i, 1); noDelay() != want {
				t.Errorf("TCP_NODELAY is %d after %d writes, want %d", noDelay(), i+1, want)
			}
		}
	})
	wantBytes(t, peer, "xxx")
}

// epoll is asked for room once a write finds none, and not before.
func TestRoomIsAskedFor(t *testing.T) {
	l := oneLoop(t)
	ln := listen(t)
	views, err := l.Group().Listen(ln)
	if err != nil {
		t.Fatal(err)
	}
	peer := dial(t, ln.Addr().String())
	var c *Conn
	in(t, l, func() {
		if c, err = views[0].AcceptConn(); err != nil {
			t.Error(err)
			return
		}
		c.OnReadable(func() {})
		if c.roomAsked {
			t.Error("asked before the first write")
		}
		for c.TryWrite(make([]byte, 1<<20)) > 0 {
		}
		if !c.roomAsked || c.writable {
			t.Error("not asked by a write that finds no room")
		}
	})
	sent := int(c.BytesWritten())
	wantBytes(t, peer, string(bytes.Repeat([]byte{0}, sent)))
	eventually(t, "there is room again", func() (ok bool) {
		in(t, l, func() { ok = c.TryWrite([]byte("x")) == 1 })
		return ok
	})
	wantBytes(t, peer, "x")
}

func tcpInfo(t *testing.T, c *Conn) *unix.TCPInfo {
	t.Helper()
	info, err := unix.GetsockoptTCPInfo(int(c.fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		t.Error(err)
		return &unix.TCPInfo{}
	}
	return info
}
