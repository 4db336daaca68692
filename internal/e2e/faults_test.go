//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestKilledUnderLoad kills a backend under 200 new connections a second. No
// connection made from then on may fail, noticed or not; one made before may have
// been the dead backend's.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	const rate, total = 5 * time.Millisecond, 800
	both := startBackends(t, 2)
	lb := serve(t, backendsOf(both))
	var killed atomic.Bool
	var after atomic.Int64
	var wg sync.WaitGroup
	tick := time.NewTicker(rate)
	defer tick.Stop()
	for i := range total {
		<-tick.C
		if i == total/4 {
			wg.Go(func() { both[0].kill(); killed.Store(true) })
		}
		wg.Go(func() {
			late := killed.Load()
			a, err := ask(lb.l4, "/")
			if late {
				after.Add(1)
			}
			if late && (err != nil || a.status != http.StatusOK || a.body != "backend 2\n") {
				t.Errorf("status %d %q, %v", a.status, a.body, err)
			}
		})
	}
	wg.Wait()
	if n := after.Load(); n < total/2 {
		t.Errorf("only %d connections were made after the kill", n)
	}
	lb.awaitHealthy(0, both[1].addr)
}

// TestBackAgain pins that a backend which returns when all are down is served
// from as soon as a probe can know.
func TestBackAgain(t *testing.T) {
	t.Parallel()
	both := startBackends(t, 2)
	lb := serve(t, backendsOf(both), "LB_HEALTH_INTERVAL=1h") // the fast interval alone rules
	for _, b := range both {
		b.kill()
	}
	wantResetAtOnce(t, lb.l4) // makes them suspect
	lb.awaitHealthy(2*fastInterval + margin)
	wantResetAtOnce(t, lb.l4)
	both[1].start(t)
	waitUntil(t, fastInterval+margin, "an answer over L4 and L7", func() bool {
		l4, err4 := ask(lb.l4, "/")
		l7, err7 := ask(lb.l7, "/")
		return err4 == nil && err7 == nil && l4.body == "backend 2\n" && l7.body == "backend 2\n"
	})
}

// TestOutOfDescriptors gives a process more clients than it has descriptors for.
func TestOutOfDescriptors(t *testing.T) {
	for _, frontend := range []string{"l4", "l7"} {
		t.Run(frontend, func(t *testing.T) {
			t.Parallel()
			outOfDescriptors(t, frontend)
		})
	}
}

func outOfDescriptors(t *testing.T, frontend string) {
	cmd := fourseven(quick(backendsOf(startBackends(t, 2)), "LB_LOG_LEVEL=debug"))
	cmd.Args = append([]string{"sh", "-c", `ulimit -n 128; exec "$0"`}, cmd.Args...)
	cmd.Path, _ = exec.LookPath("sh")
	lb := listening(t, cmd)
	addr := map[string]string{"l4": lb.l4, "l7": lb.l7}[frontend]
	var clients []*net.TCPConn
	for range 300 {
		conn := dial(t, addr)
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // kept alive; may be reset
		clients = append(clients, conn)
	}

	// What is saturated must not spin.
	const window = 3 * time.Second
	began, before := time.Now(), lb.cpuTime()
	<-time.After(window)
	if used, most := lb.cpuTime()-before, time.Since(began)/2; used > most {
		t.Errorf("used %s of processor time while saturated, want at most %s", used, most)
	}
	if lb.ended() {
		t.Fatal("ended")
	}
	if n := lb.descriptors(); n < 64 {
		t.Errorf("%d descriptors: not saturated", n)
	}

	for _, conn := range clients {
		_ = conn.Close()
	}
	waitUntil(t, 2*time.Second, "a new client to be served", func() bool {
		a, err := ask(addr, "/")
		return err == nil && a.status == http.StatusOK
	})
	for line := range strings.Lines(lb.output()) {
		if strings.Contains(line, "backend down") {
			t.Errorf("blamed a backend: %s", line)
		}
		if strings.Contains(line, "msg=accept ") && !strings.Contains(line, syscall.EMFILE.Error()) {
			t.Errorf("not named as what it is: %s", line)
		}
	}
}

// TestShortConnections pins that 5,000 connections with mixed endings leave
// nothing behind.
func TestShortConnections(t *testing.T) {
	t.Parallel()
	both := startBackends(t, 2)
	goroutines := serve(t, backendsOf(both)).goroutines() // of one that has served nobody
	lb := serve(t, backendsOf(both))
	shortConnections(t, lb, 200) // what is made once and kept is made here
	descriptors, threads := lb.descriptors(), lb.threads()
	shortConnections(t, lb, 5000)
	waitUntil(t, patience, "the descriptors to be closed", func() bool { return lb.descriptors() <= descriptors })
	// The runtime keeps the threads that it once needed; what would be wrong is one
	// a connection.
	if got := lb.threads(); got > threads+16 {
		t.Errorf("%d threads, want about %d as before", got, threads)
	}
	<-time.After(2 * time.Second) // goroutines that wait for a next connection do so for a second
	// The runtime has started some of its own meanwhile, for collecting garbage.
	if got := lb.goroutines(); got > goroutines+8 {
		t.Errorf("%d goroutines, want about %d as of one that has served nobody", got, goroutines)
	}
}

// shortConnections makes n connections, at most 50 at once, with one ending after
// the other.
func shortConnections(t *testing.T, lb *balancer, n int) {
	t.Helper()
	next := make(chan func(*net.TCPConn) error)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for ending := range next {
				if err := shortConnection(lb.l4, ending); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- endings[i%len(endings)]
	}
	close(next)
	wg.Wait()
}

func shortConnection(addr string, ending func(*net.TCPConn) error) error {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	return ending(conn.(*net.TCPConn))
}

// endings are the ways in which a connection may end, from the client's side and
// from the backend's.
var endings = []func(*net.TCPConn) error{
	func(c *net.TCPConn) error { return c.SetLinger(0) }, // reset before a byte was sent
	func(*net.TCPConn) error { return nil },              // closed before a byte was sent
	func(c *net.TCPConn) error { return sendFor(c, "/", "close", io.EOF) },
	func(c *net.TCPConn) error { // closed with the answer under way
		return sendFor(c, "/slow?body=1h", "keep-alive", nil)
	},
	func(c *net.TCPConn) error { // reset with the answer under way
		return errors.Join(sendFor(c, "/slow?body=1h", "keep-alive", nil), c.SetLinger(0))
	},
	func(c *net.TCPConn) error { // half-closed by the client first
		_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		return errors.Join(err, c.CloseWrite(), readTo(c, io.EOF))
	},
	func(c *net.TCPConn) error { return sendFor(c, "/reset", "close", syscall.ECONNRESET) },
}

// sendFor sends a request and reads one byte, or up to the end that is wanted.
func sendFor(c *net.TCPConn, path, connection string, end error) error {
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: %s\r\n\r\n", path, connection); err != nil {
		return err
	}
	if end == nil {
		_, err := c.Read(make([]byte, 1))
		return err
	}
	return readTo(c, end)
}

func readTo(c *net.TCPConn, end error) error {
	_, err := io.Copy(io.Discard, c)
	if err == nil {
		err = io.EOF
	}
	if !errors.Is(err, end) {
		return fmt.Errorf("the connection ended with %w, want %w", err, end)
	}
	return nil
}
