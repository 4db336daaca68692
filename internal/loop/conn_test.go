package loop

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReadAndWrite(t *testing.T) {
	l := oneLoop(t)
	c, peer := pair(t, l)
	write(t, peer, "question")
	in(t, l, func() {
		buf := make([]byte, 3)
		if n, err := c.Read(buf); n != 3 || string(buf) != "que" {
			t.Errorf("read %d bytes, %v", n, err)
		}
		c.Unread([]byte("re"))
		rest := make([]byte, 64)
		n, _ := io.ReadFull(c, rest[:7])
		if string(rest[:n]) != "restion" {
			t.Errorf("read %q after Unread", rest[:n])
		}
		if n, err := c.Write([]byte("answer")); n != 6 || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
		if n, err := c.Read(nil); n != 0 || err != nil {
			t.Errorf("an empty read: %d, %v", n, err)
		}
		_ = c.CloseWrite()
		if _, err := c.Write([]byte("more")); err == nil {
			t.Error("wrote after CloseWrite")
		}
		if c.Err() != nil {
			t.Errorf("writing after CloseWrite broke the connection: %v", c.Err())
		}
	})
	if got, err := io.ReadAll(peer); string(got) != "answer" || err != nil {
		t.Errorf("the peer read %q, %v", got, err)
	}
	if c.BytesRead() != 8 || c.BytesWritten() != 6 {
		t.Errorf("counted %d and %d bytes", c.BytesRead(), c.BytesWritten())
	}
	_ = peer.Close()
	in(t, l, func() {
		for range 2 {
			if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("read %d, %v, want the end of the stream", n, err)
			}
		}
	})
}

func TestAddresses(t *testing.T) {
	l := oneLoop(t)
	c, peer := pair(t, l)
	if got, want := c.RemoteAddr().String(), peer.LocalAddr().String(); got != want || c.RemoteAddrPort().String() != want {
		t.Errorf("the remote address is %s, want %s", got, want)
	}
	in(t, l, func() {
		if got, want := c.LocalAddr().String(), peer.RemoteAddr().String(); got != want {
			t.Errorf("the local address is %s, want %s", got, want)
		}
		raw, _ := c.SyscallConn()
		if err := raw.Control(func(fd uintptr) {
			if name, err := syscall.Getsockname(int(fd)); err != nil {
				t.Errorf("no socket: %v, %v", name, err)
			}
		}); err != nil {
			t.Error(err)
		}
	})
}

func TestDeadlines(t *testing.T) {
	l := oneLoop(t)
	c, peer := pair(t, l)
	in(t, l, func() {
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		wantOp(t, err, "read", os.ErrDeadlineExceeded)
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v is no time-out", err)
		}
		_, err = c.Read(make([]byte, 1))
		wantOp(t, err, "read", os.ErrDeadlineExceeded)
		_ = c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		n, err := c.Write(make([]byte, 64<<20))
		wantOp(t, err, "write", os.ErrDeadlineExceeded)
		if int64(n) != c.BytesWritten() { // perhaps none, on a busy machine
			t.Errorf("wrote %d bytes, counted %d", n, c.BytesWritten())
		}
		_ = c.SetDeadline(time.Time{})
	})
	write(t, peer, "x")
	in(t, l, func() {
		if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("read %d, %v after the deadline was taken back", n, err)
		}
	})
}

// A deadline that another goroutine sets reaches a fiber that waits already, also
// when it is earlier than one that was set before.
func TestDeadlineFromOutside(t *testing.T) {
	l := oneLoop(t)
	c, _ := pair(t, l)
	_ = c.SetReadDeadline(time.Now().Add(time.Hour))
	go func() {
		time.Sleep(20 * time.Millisecond)
		_ = c.SetReadDeadline(time.Unix(1, 0))
	}()
	in(t, l, func() {
		_, err := c.Read(make([]byte, 1))
		wantOp(t, err, "read", os.ErrDeadlineExceeded)
	})
}

// A deadline that is put off again and again, as a server does for each request,
// holds when it stays.
func TestDeadlinePutOff(t *testing.T) {
	l := oneLoop(t)
	c, _ := pair(t, l)
	in(t, l, func() {
		began := time.Now()
		for range 5 {
			_ = c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
			_ = l.Sleep(10 * time.Millisecond)
		}
		_, err := c.Read(make([]byte, 1))
		wantOp(t, err, "read", os.ErrDeadlineExceeded)
		if took := time.Since(began); took < 60*time.Millisecond {
			t.Errorf("the deadline passed after %s", took)
		}
	})
}

func TestCloseFromOutside(t *testing.T) {
	l := oneLoop(t)
	for name, end := range map[string]func(*Conn){
		"close": func(c *Conn) { _ = c.Close() },
		"reset": func(c *Conn) { _ = c.Reset() },
	} {
		t.Run(name, func(t *testing.T) {
			c, peer := pair(t, l)
			readc, writec := make(chan error, 1), make(chan error, 1)
			l.Go(func() { _, err := c.Read(make([]byte, 1)); readc <- err })
			l.Go(func() { _, err := c.Write(make([]byte, 64<<20)); writec <- err })
			eventually(t, "the writer is stuck", func() bool {
				n := c.BytesWritten()
				time.Sleep(20 * time.Millisecond)
				return n > 0 && n == c.BytesWritten()
			})
			end(c)
			wantOp(t, <-readc, "read", net.ErrClosed)
			wantOp(t, <-writec, "write", net.ErrClosed)
			if err := c.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("closing again: %v", err)
			}
			n, err := io.Copy(io.Discard, peer)
			if name == "reset" && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the peer read %d, %v, want a reset", n, err)
			}
			if name == "close" && (err != nil || n != c.BytesWritten()) {
				t.Errorf("the peer read %d of %d bytes, %v", n, c.BytesWritten(), err)
			}
		})
	}
}

// The kernel tells of a reset once, and here it tells the write: the read that
// follows must not take it for an end of stream.
func TestFirstErrorStays(t *testing.T) {
	l := oneLoop(t)
	for range 50 {
		c, peer := pair(t, l)
		write(t, peer, "last words")
		eventually(t, "they have arrived", func() (there bool) {
			in(t, l, func() { there = arrived(c) == len("last words") })
			return there
		})
		resetNet(peer)
		in(t, l, func() {
			for range 1000 {
				if _, err := c.Write([]byte("x")); err != nil {
					wantOp(t, err, "write", err)
					break
				}
				_ = l.Sleep(100 * time.Microsecond)
			}
			buf := make([]byte, 64)
			n, err := io.ReadFull(c, buf[:len("last words")])
			if string(buf[:n]) != "last words" {
				t.Errorf("read %q, %v before the reset", buf[:n], err)
			}
			for range 2 {
				_, err = c.Read(buf)
				wantOp(t, err, "read", syscall.ECONNRESET)
			}
			_, err = c.Write(buf)
			wantOp(t, err, "write", syscall.ECONNRESET)
			_ = c.Close()
		})
	}
}

// arrived returns how many bytes wait to be read.
func arrived(c *Conn) (n int) {
	raw, _ := c.SyscallConn()
	_ = raw.Control(func(fd uintptr) {
		buf := make([]byte, 1024)
		n, _, _ = syscall.Recvfrom(int(fd), buf, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	return n
}

// Bytes that were written arrive although a reset follows at once.
func TestFlushBeforeReset(t *testing.T) {
	l := oneLoop(t)
	c, peer := pair(t, l)
	_ = peer.SetReadBuffer(64 << 10)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 256<<10/16)
	donec := make(chan struct{})
	l.Go(func() {
		defer close(donec)
		_, _ = c.Write(sent)
		if err := c.Flush(); err != nil {
			t.Error(err)
		}
		_ = c.Reset()
	})
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("the bytes before the reset: %v", err)
	}
	await(t, "the flush", donec)
	wantReset(t, peer, "")
}

func TestCopyPlain(t *testing.T) {
	l := oneLoop(t)
	c, peer := pair(t, l)
	in(t, l, func() {
		if n, err := io.Copy(c, strings.NewReader("plain")); n != 5 || err != nil {
			t.Errorf("copied %d, %v", n, err)
		}
		_ = c.Close()
	})
	if got, _ := io.ReadAll(peer); string(got) != "plain" {
		t.Errorf("the peer read %q", got)
	}
}
