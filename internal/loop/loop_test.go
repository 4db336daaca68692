package loop

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestSleep(t *testing.T) {
	l := oneLoop(t)
	var order []int
	var wg sync.WaitGroup
	for _, ms := range []int{60, 20, 40} {
		wg.Add(1)
		l.Go(func() {
			defer wg.Done()
			if err := l.Sleep(time.Duration(ms) * time.Millisecond); err != nil {
				t.Error(err)
			}
			order = append(order, ms)
		})
	}
	wg.Wait()
	if len(order) != 3 || order[0] != 20 {
		t.Errorf("the order was %v", order)
	}
}

func TestAwait(t *testing.T) {
	l := oneLoop(t)
	releasec := make(chan struct{})
	var done bool
	donec := make(chan struct{})
	l.Go(func() {
		defer close(donec)
		l.Await(func() { <-releasec })
		done = true
	})
	in(t, l, func() { // while the first fiber waits
		if done {
			t.Error("Await has not waited")
		}
		close(releasec)
	})
	await(t, "Await", donec)
	var panicked any
	in(t, l, func() {
		defer func() { panicked = recover() }()
		l.Await(func() { panic("of f") })
	})
	if panicked != "of f" {
		t.Errorf("the panic was %v", panicked)
	}
}

// A panic ends its fiber and the connection that it serves, and nothing else.
func TestPanic(t *testing.T) {
	var stack atomic.Pointer[[]byte]
	g := newGroup(t, Config{Loops: 1, OnPanic: func(v any, s []byte) {
		if v != "deliberate" {
			t.Errorf("the value is %v", v)
		}
		stack.Store(&s)
	}})
	l := g.Loops()[0]
	c, peer := pair(t, l)
	other, otherPeer := pair(t, l)
	c.Go(func() { deliberate() })
	wantReset(t, peer, "")
	eventually(t, "the panic is reported", func() bool { return stack.Load() != nil })
	if !bytes.Contains(*stack.Load(), []byte("deliberate")) {
		t.Error("the stack does not show the fiber")
	}
	in(t, l, func() { _, _ = other.Write([]byte("fine")) })
	wantBytes(t, otherPeer, "fine")
	third, thirdPeer := pair(t, l)
	in(t, l, func() { third.OnReadable(deliberate) })
	write(t, thirdPeer, "x")
	if _, err := thirdPeer.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a panic in OnReadable: %v", err)
	}
}

func deliberate() { panic("deliberate") }

// A fiber may end by runtime.Goexit, as testing.T.FailNow does.
func TestGoexit(t *testing.T) {
	l := oneLoop(t)
	for range 3 {
		donec := make(chan struct{})
		l.Go(func() {
			defer close(donec)
			runtime.Goexit()
		})
		await(t, "the fiber", donec)
		in(t, l, func() { _ = l.Sleep(time.Millisecond) })
	}
}

// Close ends everything that waits, and leaves neither goroutines (TestMain looks)
// nor descriptors.
func TestCloseGroup(t *testing.T) {
	before := descriptors(t)
	g, err := New(Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	addr := relayed(t, g, echo)
	var clients []net.Conn
	for range 20 {
		c := dial(t, addr)
		write(t, c, "x")
		wantBytes(t, c, "x")
		clients = append(clients, c)
	}
	var ended sync.WaitGroup
	l := g.Loops()[0]
	ended.Add(2)
	l.Go(func() {
		defer ended.Done()
		if err := l.Sleep(time.Hour); !errors.Is(err, ErrClosed) {
			t.Errorf("Sleep returned %v", err)
		}
		if _, err := l.Dial(t.Context(), netip.MustParseAddrPort("127.0.0.1:1"), 0); !errors.Is(err, ErrClosed) {
			t.Errorf("Dial returned %v", err)
		}
	})
	releasec := make(chan struct{})
	l.Go(func() {
		defer ended.Done()
		l.Await(func() { <-releasec })
	})
	l.Go(func() { close(releasec) })
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	ended.Wait()
	if l.Go(func() { t.Error("a fiber of a closed loop") }) {
		t.Error("Go took a fiber after Close")
	}
	for _, c := range clients {
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("a connection is still there")
		}
		_ = c.Close()
	}
	if err := g.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing again: %v", err)
	}
	eventually(t, "the descriptors are closed", func() bool { return descriptors(t) <= before+2 }) // the backend's listener
}

func TestDial(t *testing.T) {
	l := oneLoop(t)
	ctx := t.Context()
	refusing := listen(t)
	_ = refusing.Close()
	in(t, l, func() {
		_, err := l.Dial(ctx, addrOf(refusing), wait)
		wantOp(t, err, "dial", syscall.ECONNREFUSED)
		done, cancel := context.WithCancel(ctx)
		cancel()
		_, err = l.Dial(done, addrOf(refusing), wait)
		wantOp(t, err, "dial", context.Canceled)
		_, err = l.DialUnix(ctx, filepath.Join(t.TempDir(), "nobody"), wait)
		wantOp(t, err, "dial", syscall.ENOENT)
	})
	if n := l.Conns(); n != 0 {
		t.Errorf("%d connections are left of failed dials", n)
	}
}

// full returns a listener that answers no more: its queue is full.
func full(t *testing.T) net.Listener {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer func() { _ = file.Close() }()
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 1)); err != nil {
		t.Fatal(err)
	}
	ln, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	for range 20 {
		conn, err := net.DialTimeout("tcp", ln.Addr().String(), 200*time.Millisecond)
		if err != nil {
			return ln
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Skip("the listener's queue does not fill")
	return nil
}

func TestDialTimeout(t *testing.T) {
	to := addrOf(full(t))
	l := oneLoop(t)
	in(t, l, func() {
		_, err := l.Dial(t.Context(), to, 50*time.Millisecond)
		wantOp(t, err, "dial", os.ErrDeadlineExceeded)
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("no longer wanted")
	time.AfterFunc(20*time.Millisecond, func() { cancel(reason) })
	in(t, l, func() {
		_, err := l.Dial(ctx, to, wait)
		wantOp(t, err, "dial", reason)
	})
	if n := l.Conns(); n != 0 {
		t.Errorf("%d connections are left of failed dials", n)
	}
}

func TestIPv6(t *testing.T) {
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here")
	}
	g := newGroup(t, Config{Loops: 1})
	remotec := make(chan string, 1)
	if _, err := serveOn(g, ln, func(c *Conn) { remotec <- c.RemoteAddr().String(); echo(c) }); err != nil {
		t.Fatal(err)
	}
	l := g.Loops()[0]
	in(t, l, func() {
		c, err := l.Dial(t.Context(), addrOf(ln), wait)
		if err != nil {
			t.Error(err)
			return
		}
		if local, remote := c.LocalAddr().String(), <-waitFor(l, remotec); local != remote {
			t.Errorf("connected from %s, accepted from %s", local, remote)
		}
		_ = c.Close()
	})
}

// waitFor lets other fibers run until there is something in the channel.
func waitFor[T any](l *Loop, c chan T) chan T {
	for len(c) == 0 {
		_ = l.Sleep(time.Millisecond)
	}
	return c
}

// A zone in an address names an interface or is its number.
func TestDialZone(t *testing.T) {
	ifi, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip("no interface lo")
	}
	l := oneLoop(t)
	in(t, l, func() {
		for _, zone := range []string{ifi.Name, "1"} {
			to := netip.AddrPortFrom(netip.MustParseAddr("fe80::1%"+zone), 9)
			_, err := l.Dial(t.Context(), to, time.Second)
			if err == nil || strings.Contains(err.Error(), "invalid argument") { // what the kernel says without a zone
				t.Errorf("dial %s: %v", to, err)
			}
		}
	})
}

func TestUnixSockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	g := newGroup(t, Config{Loops: 1})
	if _, err := serveOn(g, ln, func(c *Conn) {
		_, _ = c.ReadFrom(c)
		_ = c.Close()
	}); err != nil {
		t.Fatal(err)
	}
	l := g.Loops()[0]
	sent := bytes.Repeat([]byte("0123456789"), 1<<20)
	in(t, l, func() {
		c, err := l.DialUnix(t.Context(), path, wait)
		if err != nil {
			t.Error(err)
			return
		}
		if got := c.RemoteAddr().String(); got != path || c.RemoteAddr().Network() != "unix" {
			t.Errorf("the remote address is %s", got)
		}
		c.Go(func() {
			_, _ = c.Write(sent)
			_ = c.CloseWrite()
		})
		var got bytes.Buffer
		if _, err := got.ReadFrom(c); err != nil || !bytes.Equal(got.Bytes(), sent) {
			t.Errorf("echoed %d of %d bytes, %v", got.Len(), len(sent), err)
		}
		_ = c.Close()
	})
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's file is left: %v", err)
	}
}
