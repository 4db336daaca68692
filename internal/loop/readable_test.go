package loop

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// notified returns a channel that closes when the function that it returns too is
// called, in a fiber.
func notified() (<-chan struct{}, func()) {
	c := make(chan struct{})
	return c, func() { close(c) }
}

func TestOnReadable(t *testing.T) {
	l := oneLoop(t)
	for name, do := range map[string]func(c *Conn, peer *net.TCPConn){
		"bytes":            func(_ *Conn, peer *net.TCPConn) { _, _ = peer.Write([]byte("x")) },
		"end":              func(_ *Conn, peer *net.TCPConn) { _ = peer.CloseWrite() },
		"reset":            func(_ *Conn, peer *net.TCPConn) { resetNet(peer) },
		"close":            func(c *Conn, _ *net.TCPConn) { _ = c.Close() },
		"deadline":         func(c *Conn, _ *net.TCPConn) { _ = c.SetReadDeadline(time.Unix(1, 0)) },
		"deadline to come": func(c *Conn, _ *net.TCPConn) { _ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) },
	} {
		for _, before := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				c, peer := pair(t, l)
				donec, done := notified()
				if before {
					do(c, peer)
				}
				in(t, l, func() { c.OnReadable(done) })
				if !before {
					do(c, peer)
				}
				await(t, "OnReadable fires", donec)
				in(t, l, func() {
					n, err := c.Read(make([]byte, 10))
					switch {
					case name == "bytes" && (n != 1 || err != nil),
						name == "end" && err != io.EOF,
						name == "reset" && !errors.Is(err, syscall.ECONNRESET),
						name == "close" && !errors.Is(err, net.ErrClosed),
						strings.HasPrefix(name, "deadline") && !errors.Is(err, os.ErrDeadlineExceeded):
						t.Errorf("read %d, %v", n, err)
					}
					_ = c.Close()
				})
			})
		}
	}
}

// After an end of stream OnReadable fires for a reset, which ends a relay whose
// other direction is silent.
func TestOnReadableAfterTheEnd(t *testing.T) {
	l := oneLoop(t)
	for name, do := range map[string]func(c *Conn, peer *net.TCPConn){
		"reset": func(_ *Conn, peer *net.TCPConn) { resetNet(peer) },
		"close": func(c *Conn, _ *net.TCPConn) { _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			c, peer := pair(t, l)
			_ = peer.CloseWrite()
			firedc, fire := notified()
			in(t, l, func() {
				if _, err := c.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("read %v, want the end of the stream", err)
				}
				c.OnReadable(fire)
				_ = l.Sleep(20 * time.Millisecond)
			})
			select {
			case <-firedc:
				t.Fatal("it fired for the end that had been read")
			default:
			}
			do(c, peer)
			await(t, "OnReadable fires", firedc)
			in(t, l, func() {
				if broken := c.Err() != nil; broken != (name == "reset") {
					t.Errorf("the error is %v", c.Err())
				}
				_ = c.Close()
			})
		})
	}
}

// A later OnReadable takes the place of the first, and reading forgets it.
func TestOnReadableIsForgotten(t *testing.T) {
	l := oneLoop(t)
	c, peer := pair(t, l)
	never := func() { t.Error("a forgotten function was called") }
	in(t, l, func() {
		c.OnReadable(never)
		c.OnReadable(nil)
		c.OnReadable(never)
	})
	firedc, fire := notified()
	in(t, l, func() { c.OnReadable(fire) })
	write(t, peer, "ab")
	await(t, "OnReadable fires", firedc)
	in(t, l, func() {
		if n, err := io.ReadFull(c, make([]byte, 2)); err != nil {
			t.Errorf("read %d, %v", n, err)
		}
	})
	donec := make(chan struct{})
	l.Go(func() {
		defer close(donec)
		c.OnReadable(never)
		if n, err := c.Read(make([]byte, 2)); n != 1 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
	})
	in(t, l, func() {}) // the read waits
	write(t, peer, "c")
	await(t, "the read", donec)
	in(t, l, func() { c.Unread([]byte("d")) })
	firedc, fire = notified()
	in(t, l, func() { c.OnReadable(fire) })
	await(t, "OnReadable fires for what was put back", firedc)
}

// ReadFrom of an idle connection returns ErrIdle, and loses nothing.
func TestIdle(t *testing.T) {
	l := oneLoop(t)
	src, in1 := pair(t, l)
	dst, out := pair(t, l)
	type result struct {
		n   int64
		err error
	}
	resultc := make(chan result, 1)
	copyOnce := func() {
		n, err := io.Copy(dst, src)
		resultc <- result{n, err}
	}
	began := time.Now()
	l.Go(copyOnce)
	write(t, in1, "before")
	wantBytes(t, out, "before")
	if r := <-resultc; r.n != 6 || !errors.Is(r.err, ErrIdle) {
		t.Fatalf("copied %d, %v, want 6 and ErrIdle", r.n, r.err)
	}
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("idle after %s", took)
	}
	in(t, l, func() { src.OnReadable(copyOnce) })
	write(t, in1, "after")
	wantBytes(t, out, "after")
	_ = in1.CloseWrite()
	if r := <-resultc; r.n != 5 || r.err != nil {
		t.Errorf("copied %d, %v, want 5 and the end", r.n, r.err)
	}
}

// A copy whose destination does not take bytes is not idle; its deadline ends it,
// and what was read and not written can be read again.
func TestStalledCopyKeepsItsBytes(t *testing.T) {
	l := oneLoop(t)
	src, in1 := pair(t, l)
	dst, out := pair(t, l)
	go func() {
		for buf := make([]byte, 64<<10); ; {
			if _, err := in1.Write(buf); err != nil {
				return
			}
		}
	}()
	in(t, l, func() {
		_ = dst.SetWriteDeadline(time.Now().Add(1500 * time.Millisecond))
		n, err := io.Copy(dst, src)
		wantOp(t, err, "write", os.ErrDeadlineExceeded)
		left := src.BytesRead() - n
		if n != dst.BytesWritten() || left < 0 || left > 2<<20 {
			t.Errorf("copied %d bytes, counted %d read and %d written", n, src.BytesRead(), dst.BytesWritten())
		}
		before := src.BytesRead()
		buf := make([]byte, left)
		if _, err := io.ReadFull(src, buf); err != nil || src.BytesRead() != before {
			t.Errorf("what was put back: %v, and %d bytes were read beyond", err, src.BytesRead()-before)
		}
	})
	_ = out.Close()
}

// A connection can go to another loop while it is idle.
func TestMoveTo(t *testing.T) {
	g := newGroup(t, Config{})
	a, b := g.Loops()[0], g.Loops()[1]
	c, peer := pair(t, a)
	_ = c.SetReadDeadline(time.Now().Add(wait))
	in(t, a, func() {
		c.OnReadable(func() { t.Error("OnReadable is not forgotten") })
		c.OnReadable(nil)
		c.Unread([]byte("put back,"))
	})
	write(t, peer, "sent before")
	donec := make(chan struct{})
	in(t, a, func() {
		c.OnReadable(nil)
		if !c.MoveTo(b, func() {
			defer close(donec)
			buf := make([]byte, 64)
			n, err := io.ReadFull(c, buf[:len("put back,sent before,sent after")])
			if string(buf[:n]) != "put back,sent before,sent after" {
				t.Errorf("read %q, %v", buf[:n], err)
			}
		}) {
			t.Error("it did not move")
		}
	})
	write(t, peer, ",sent after")
	await(t, "the fiber of the other loop", donec)
	if c.Loop() != b || a.Conns() != 0 || b.Conns() != 1 {
		t.Errorf("the loops have %d and %d connections", a.Conns(), b.Conns())
	}
	_ = c.Close()
	wantNoConns(t, g)
}

// A Close that comes while a connection moves is not lost.
func TestCloseWhileMoving(t *testing.T) {
	g := newGroup(t, Config{})
	loops := g.Loops()
	for i := range 300 {
		c, peer := pair(t, loops[i%2])
		go func() { _ = c.Close() }()
		c.Loop().Go(func() {
			c.MoveTo(loops[(i+1)%2], func() {
				if _, err := c.Read(make([]byte, 1)); err == nil {
					t.Error("read from a closed connection")
				}
			})
		})
		if _, err := io.ReadAll(peer); err != nil {
			t.Error(err)
		}
	}
	wantNoConns(t, g)
}
