package loop

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Trap 7: a net.Listener's finalizer closes its descriptor.
func TestListenerIsHeld(t *testing.T) {
	g := newGroup(t, Config{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if _, err := serveOn(g, ln, func(c *Conn) { _ = c.Close() }); err != nil {
		t.Fatal(err)
	}
	ln = nil
	for range 5 {
		runtime.GC()
		time.Sleep(time.Millisecond) // for finalizers to run
		if _, err := io.ReadAll(dial(t, addr)); err != nil {
			t.Fatal(err)
		}
	}
}

// Trap 9: os.File.Fd makes a descriptor blocking, and with it every copy of it. An
// accept would then wait for ever.
func TestBlockingListener(t *testing.T) {
	file, err := listen(t).(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	ln, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Fd()
	g := newGroup(t, Config{})
	var served atomic.Int32
	if _, err := serveOn(g, ln, func(c *Conn) { served.Add(1); _ = c.Close() }); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := io.ReadAll(dial(t, ln.Addr().String())); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range g.Loops() { // none hangs in an accept
		in(t, l, func() { _ = l.Sleep(time.Millisecond) })
	}
}

// New connections go to the loop with the fewest, whichever the kernel wakes.
func TestSpread(t *testing.T) {
	g := newGroup(t, Config{})
	ln := listen(t)
	if _, err := serveOn(g, ln, func(c *Conn) { _, _ = c.Write([]byte("x")); _, _ = c.Read(make([]byte, 1)); _ = c.Close() }); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		wantBytes(t, dial(t, ln.Addr().String()), "x")
	}
	a, b := g.Loops()[0].Conns(), g.Loops()[1].Conns()
	if a+b != 200 || max(a, b)-min(a, b) > 10 {
		t.Errorf("the loops have %d and %d of 200 connections", a, b)
	}
}

// A connection is accepted only for an Accept that waits for it: at a limit the
// kernel's queue holds the others. One loop that stops accepting does not keep the
// others from it.
func TestAcceptOnDemand(t *testing.T) {
	g := newGroup(t, Config{})
	ln := listen(t)
	views, err := g.Listen(ln)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		client := dial(t, ln.Addr().String())
		for range 3 { // more than one waits in the queue
			_ = dial(t, ln.Addr().String())
		}
		v := views[i%2]
		in(t, v.Loop(), func() {
			for range 4 {
				c, err := v.AcceptConn()
				if err != nil {
					t.Error(err)
					return
				}
				if c.Loop() != v.Loop() {
					t.Error("accepted for another loop")
				}
				_, _ = c.Write([]byte("x"))
			}
		})
		wantBytes(t, client, "x")
	}
	_ = dial(t, ln.Addr().String())
	in(t, views[0].Loop(), func() { _ = views[0].Loop().Sleep(20 * time.Millisecond) })
	if n := g.Loops()[0].Conns() + g.Loops()[1].Conns(); n != 80 {
		t.Errorf("%d connections were accepted, want 80", n)
	}
}

// Both loops wait; the one that the kernel wakes may be the one whose fiber has just
// stopped accepting.
func TestAcceptIsPassedOn(t *testing.T) {
	g := newGroup(t, Config{})
	ln := listen(t)
	views, err := g.Listen(ln)
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 200
	acceptedc := make(chan int, 2*rounds)
	accept := func(v *Listener, n int) {
		v.Loop().Go(func() {
			for range n {
				c, err := v.AcceptConn()
				if err != nil {
					return
				}
				_ = c.Close()
				acceptedc <- 1
			}
		})
	}
	accept(views[0], rounds/2) // then it stops
	accept(views[1], rounds*2)
	for range rounds {
		_ = dial(t, ln.Addr().String())
	}
	for i := range rounds {
		select {
		case <-acceptedc:
		case <-time.After(wait):
			t.Fatalf("%d of %d connections were accepted", i, rounds)
		}
	}
}

func TestCloseListener(t *testing.T) {
	g := newGroup(t, Config{})
	ln := listen(t)
	views, err := g.Listen(ln)
	if err != nil {
		t.Fatal(err)
	}
	errc := make(chan error, len(views)*2)
	for _, v := range views {
		for range 2 {
			v.Loop().Go(func() { _, err := v.Accept(); errc <- err })
		}
	}
	in(t, views[0].Loop(), func() {})
	if err := views[1].Close(); err != nil {
		t.Error(err)
	}
	for range cap(errc) {
		wantOp(t, <-errc, "accept", net.ErrClosed)
	}
	if conn, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("the port is still open")
	}
	if err := views[0].Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closing again: %v", err)
	}
	in(t, views[0].Loop(), func() {
		_, err := views[0].AcceptConn()
		wantOp(t, err, "accept", net.ErrClosed)
	})
}

// What waits in the kernel's queue is served before the listener closes.
func TestCloseWhenEmpty(t *testing.T) {
	for _, accepting := range []bool{false, true} {
		g := newGroup(t, Config{})
		ln := listen(t)
		views, err := g.Listen(ln)
		if err != nil {
			t.Fatal(err)
		}
		var clients []net.Conn
		if !accepting {
			for range 30 {
				clients = append(clients, dial(t, ln.Addr().String()))
			}
			views[0].CloseWhenEmpty()
		}
		var wg sync.WaitGroup
		for _, v := range views {
			wg.Add(1)
			v.Loop().Go(func() {
				defer wg.Done()
				for {
					c, err := v.AcceptConn()
					if err != nil {
						wantOp(t, err, "accept", net.ErrClosed)
						return
					}
					_, _ = c.Write([]byte("x"))
					_ = c.Close()
				}
			})
		}
		if accepting {
			for _, l := range g.Loops() {
				in(t, l, func() {})
			}
			views[0].CloseWhenEmpty()
		}
		wg.Wait()
		for _, c := range clients {
			wantBytes(t, c, "x")
		}
	}
}

// Errors such as EMFILE are the caller's, and do not end the listener.
func TestAcceptError(t *testing.T) {
	g := newGroup(t, Config{Loops: 1})
	ln := listen(t)
	views, err := g.Listen(ln)
	if err != nil {
		t.Fatal(err)
	}
	client := dial(t, ln.Addr().String())
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	lowered := limit
	lowered.Cur = 1
	errc := make(chan error, 1)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lowered); err != nil {
		t.Skip(err)
	}
	views[0].Loop().Go(func() {
		_, err := views[0].AcceptConn()
		errc <- err
	})
	err = <-errc
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	wantOp(t, err, "accept", syscall.EMFILE)
	in(t, views[0].Loop(), func() {
		c, err := views[0].AcceptConn()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = c.Write([]byte("x"))
	})
	wantBytes(t, client, "x")
}

// A listener that another process holds too leaves nothing behind in the loops.
func TestListenerWithCopies(t *testing.T) {
	g := newGroup(t, Config{})
	ln := listen(t)
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	views, err := serveOn(g, ln, func(c *Conn) { _ = c.Close() })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(dial(t, ln.Addr().String())); err != nil {
		t.Fatal(err)
	}
	if err := views[0].Close(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", ln.Addr().String()) // the copy still listens
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("somebody has accepted from a closed listener: %v", err)
	}
}

func TestListenAfterClose(t *testing.T) {
	g := newGroup(t, Config{Loops: 1})
	_ = g.Close()
	if _, err := g.Listen(listen(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("Listen returned %v", err)
	}
}
