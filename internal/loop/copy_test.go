package loop

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pattern returns n bytes that are the same for the same seed, whatever n is.
func pattern(seed uint64, n int) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// One side ends its stream and still gets what the other sends.
func TestHalfClose(t *testing.T) {
	g := newGroup(t, Config{})
	addr := relayed(t, g, func(conn net.Conn) {
		request, _ := io.ReadAll(conn)
		_, _ = conn.Write(bytes.ToUpper(request))
	})
	for _, size := range []int{0, 5, 100_000, 3 << 20} {
		c := dial(t, addr)
		sent := bytes.Repeat([]byte("abcdefghij"), size/10)
		go func() {
			_, _ = c.Write(sent)
			_ = c.CloseWrite()
		}()
		got, err := io.ReadAll(c)
		if err != nil || !bytes.Equal(got, bytes.ToUpper(sent)) {
			t.Errorf("got %d bytes for %d, %v", len(got), len(sent), err)
		}
	}
	wantNoConns(t, g)
}

// Both ends of stream may come at the same moment: a connection that is over in both
// directions was not reset.
func TestBothEndsAtOnce(t *testing.T) {
	l := oneLoop(t)
	for range 500 {
		conn, peer := pair(t, l)
		sentc, readc := make(chan struct{}), make(chan error, 1)
		if !conn.Go(func() { _, err := conn.Read(make([]byte, 1)); readc <- err }) ||
			!conn.Go(func() { defer close(sentc); _ = conn.CloseWrite() }) {
			t.Fatal("the loop takes no fibers")
		}
		_ = peer.CloseWrite()
		if err := <-readc; err != io.EOF {
			t.Fatalf("read returns %v, want the end of the stream", err)
		}
		await(t, "the end to be sent", sentc)
		_, _ = conn.Close(), peer.Close()
	}
}

// A reset is passed on as a reset, after the bytes before it, from either side.
func TestResetIsPassedOn(t *testing.T) {
	g := newGroup(t, Config{})
	resetc := make(chan struct{})
	addr := relayed(t, g, func(conn net.Conn) {
		_, _ = conn.Write([]byte("some of it"))
		<-resetc
		resetNet(conn)
	})
	c := dial(t, addr)
	wantBytes(t, c, "some of it")
	close(resetc)
	wantReset(t, c, "")

	gotc := make(chan error, 1)
	addr = relayed(t, g, func(conn net.Conn) {
		_, err := io.Copy(io.Discard, conn)
		gotc <- err
	})
	c = dial(t, addr)
	write(t, c, "some of it")
	resetNet(c)
	if err := <-gotc; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the backend read %v, want a reset", err)
	}
	wantNoConns(t, g)
}

// A client that has ended its stream and then breaks ends a relay whose backend is
// silent.
func TestResetAfterTheEnd(t *testing.T) {
	g := newGroup(t, Config{})
	endc, gotc := make(chan struct{}), make(chan error, 1)
	addr := relayed(t, g, func(conn net.Conn) {
		_, _ = io.Copy(io.Discard, conn) // to the end of the stream
		close(endc)
		for {
			if _, err := conn.Write([]byte("x")); err != nil {
				gotc <- err
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	c := dial(t, addr)
	_ = c.CloseWrite()
	await(t, "the backend sees the end", endc)
	resetNet(c)
	if err := <-gotc; !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the backend's write returned %v", err)
	}
	wantNoConns(t, g)
}

// A client that does not read stalls its backend: what the relay takes in is
// bounded. When it reads at last, it gets every byte.
func TestStalledReader(t *testing.T) {
	g := newGroup(t, Config{OnBulk: func(dst, src *Conn) {
		setBuffer(src, syscall.SO_RCVBUF)
		setBuffer(dst, syscall.SO_SNDBUF)
	}})
	sent := pattern(1, 48<<20)
	var mu sync.Mutex
	written := 0
	addr := relayed(t, g, func(conn net.Conn) {
		for rest := sent; len(rest) > 0; {
			n, err := conn.Write(rest[:min(len(rest), 64<<10)])
			mu.Lock()
			written += n
			mu.Unlock()
			if rest = rest[n:]; err != nil {
				return
			}
		}
	})
	c := dial(t, addr)
	last := -1
	eventually(t, "the backend is stalled", func() bool {
		time.Sleep(200 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		same := written == last && written > 0
		last = written
		return same
	})
	if last > 24<<20 { // with the sockets' buffers, which belong to others
		t.Errorf("%d bytes were taken in for a client that does not read", last)
	}
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d of %d bytes, %v", len(got), len(sent), err)
	}
}

func setBuffer(c *Conn, option int) {
	raw, _ := c.SyscallConn()
	_ = raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, option, 512<<10) })
}

// Counters grow while bytes move, and are exact.
func TestCounters(t *testing.T) {
	l := oneLoop(t)
	src, in1 := pair(t, l)
	dst, out := pair(t, l)
	donec := make(chan struct{})
	l.Go(func() {
		defer close(donec)
		n, err := io.Copy(dst, src)
		if err != nil || n != 20<<20+5 || n != dst.BytesWritten() || n != src.BytesRead() {
			t.Errorf("copied %d, %v; counted %d and %d", n, err, src.BytesRead(), dst.BytesWritten())
		}
	})
	write(t, in1, "small")
	wantBytes(t, out, "small")
	eventually(t, "5 bytes are counted", func() bool { return dst.BytesWritten() == 5 })
	go func() { _, _ = in1.Write(make([]byte, 20<<20)); _ = in1.CloseWrite() }()
	if _, err := io.ReadFull(out, make([]byte, 10<<20)); err != nil {
		t.Fatal(err)
	}
	if n := dst.BytesWritten(); n < 10<<20 {
		t.Errorf("%d bytes are counted while the copy goes on", n)
	}
	_, _ = io.ReadFull(out, make([]byte, 10<<20))
	await(t, "the copy", donec)
}

// What was put back goes first, also when the rest is spliced and when no more
// arrives.
func TestCopyAfterUnread(t *testing.T) {
	l := oneLoop(t)
	for _, more := range []int{0, 3, 2 << 20} {
		src, in1 := pair(t, l)
		dst, out := pair(t, l)
		sent := append([]byte("GET / HTTP/1.1"), pattern(2, more)...)
		l.Go(func() {
			buf := make([]byte, 5)
			n, _ := io.ReadFull(src, buf)
			src.Unread(buf[:n])
			if n, err := io.Copy(dst, src); n != int64(len(sent)) || err != nil {
				t.Errorf("copied %d of %d, %v", n, len(sent), err)
			}
			_ = dst.Close()
		})
		go func() { _, _ = in1.Write(sent); _ = in1.CloseWrite() }()
		if got, err := io.ReadAll(out); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("got %d of %d bytes, %v", len(got), len(sent), err)
		}
	}
}

// The error of a copy says which side failed.
func TestCopyErrors(t *testing.T) {
	l := oneLoop(t)
	for name, test := range map[string]struct {
		do func(src, dst *Conn, in1, out *net.TCPConn)
		op string
		is error
	}{
		"source resets":      {func(_, _ *Conn, in1, _ *net.TCPConn) { resetNet(in1) }, "read", syscall.ECONNRESET},
		"source closed":      {func(src, _ *Conn, _, _ *net.TCPConn) { _ = src.Close() }, "read", net.ErrClosed},
		"destination closed": {func(_, dst *Conn, _, _ *net.TCPConn) { _ = dst.Close() }, "write", net.ErrClosed},
		"source too late":    {func(src, _ *Conn, _, _ *net.TCPConn) { _ = src.SetReadDeadline(time.Unix(1, 0)) }, "read", os.ErrDeadlineExceeded},
		"destination resets": {func(_, _ *Conn, in1, out *net.TCPConn) {
			resetNet(out)
			for {
				if _, err := in1.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}, "write", syscall.ECONNRESET},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS != "linux" && name == "destination closed" {
				t.Skip("a goroutine that reads does not notice")
			}
			src, in1 := pair(t, l)
			dst, out := pair(t, l)
			errc := make(chan error, 1)
			l.Go(func() {
				_, err := io.Copy(dst, src)
				_ = src.Close()
				errc <- err
			})
			in(t, l, func() {}) // it waits
			go test.do(src, dst, in1, out)
			err := <-errc
			if name == "destination closed" && errors.Is(err, ErrIdle) { // the portable version looks when it has read
				return
			}
			wantOp(t, err, test.op, test.is)
		})
	}
}

// Forward starts its function for whatever is more than a small message.
func TestForward(t *testing.T) {
	l := oneLoop(t)
	for name, do := range map[string]func(src, dst *Conn, in1, out *net.TCPConn){
		"bulk":               func(_, _ *Conn, in1, _ *net.TCPConn) { _, _ = in1.Write(make([]byte, 4<<20)) },
		"end":                func(_, _ *Conn, in1, _ *net.TCPConn) { _ = in1.CloseWrite() },
		"reset":              func(_, _ *Conn, in1, _ *net.TCPConn) { resetNet(in1) },
		"source closed":      func(src, _ *Conn, _, _ *net.TCPConn) { _ = src.Close() },
		"destination closed": func(_, dst *Conn, in1, _ *net.TCPConn) { _ = dst.Close(); _, _ = in1.Write([]byte("x")) },
	} {
		t.Run(name, func(t *testing.T) {
			src, in1 := pair(t, l)
			dst, out := pair(t, l)
			firedc, fire := notified()
			in(t, l, func() { src.Forward(dst, fire) })
			go do(src, dst, in1, out)
			await(t, "the function is started", firedc)
			_ = src.Close()
			_ = in1.Close()
		})
	}
}

// Unix sockets are relayed like others.
func TestRelayUnix(t *testing.T) {
	l := oneLoop(t)
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "backend"))
	if err != nil {
		t.Fatal(err)
	}
	serve(t, ln, echo)
	client, peer := pair(t, l)
	var backend *Conn
	in(t, l, func() {
		if backend, err = l.DialUnix(t.Context(), ln.Addr().String(), wait); err != nil {
			return
		}
		r := &relay{client: client, backend: backend}
		r.wait(client, backend)
		r.wait(backend, client)
	})
	if err != nil {
		t.Fatal(err)
	}
	sent := pattern(3, 3<<20)
	go func() {
		_, _ = peer.Write(sent[:100])
		time.Sleep(10 * time.Millisecond)
		_, _ = peer.Write(sent[100:])
		_ = peer.CloseWrite()
	}()
	if got, err := io.ReadAll(peer); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d of %d bytes, %v", len(got), len(sent), err)
	}
}

// Trap 5: a fast sender with a fast reader would keep the loop.
func TestFastSenderLetsOthersGo(t *testing.T) {
	g := newGroup(t, Config{Loops: 1})
	addr := relayed(t, g, func(conn net.Conn) {
		kind := make([]byte, 1)
		if _, err := io.ReadFull(conn, kind); err != nil {
			return
		}
		if kind[0] == 'e' {
			echo(conn)
			return
		}
		for buf := make([]byte, 256<<10); ; {
			if _, err := conn.Write(buf); err != nil {
				return
			}
		}
	})
	var wg sync.WaitGroup
	var bulk []net.Conn
	for range 3 {
		c := dial(t, addr)
		bulk = append(bulk, c)
		write(t, c, "b")
		wg.Go(func() { _, _ = io.Copy(io.Discard, c) })
	}
	c := dial(t, addr)
	write(t, c, "e")
	for range 100 {
		write(t, c, "ping")
		wantBytes(t, c, "ping")
	}
	for _, c := range bulk {
		resetNet(c)
	}
	wg.Wait()
}
