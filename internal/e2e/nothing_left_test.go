//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestShortConnectionsLeaveNothing pins that 5,000 connections with mixed endings leave
// nothing behind.
func TestShortConnectionsLeaveNothing(t *testing.T) {
	t.Parallel()
	both := startBackends(t, 2)
	goroutines := serve(t, backendsOf(both)).goroutines() // in one that has had no client
	lb := serve(t, backendsOf(both))
	shortConnections(t, lb, 200) // what is made once and kept is made here
	descriptors, threads := lb.descriptors(), lb.threads()
	shortConnections(t, lb, 5000)
	testkit.Eventually(t, "the descriptors to be closed", func() bool { return lb.descriptors() <= descriptors })
	// The runtime keeps the threads that it once needed, which may be one for each of
	// the connections at once. What would be wrong is one for each of all.
	if got := lb.threads(); got > threads+2*atOnce {
		t.Errorf("%d threads, want about %d as before", got, threads)
	}
	// Goroutines wait a second for a next connection, and those of the garbage collector stay.
	testkit.Eventually(t, "about as many goroutines as in one that has had no client", func() bool {
		return lb.goroutines() <= goroutines+8
	})
}

// shortConnections makes n connections, at most 50 at once, with one ending after
// the other.
func shortConnections(t *testing.T, lb *balancer, n int) {
	t.Helper()
	next := make(chan func(*net.TCPConn) error)
	var wg sync.WaitGroup
	for range atOnce / 2 {
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
	conn, err := net.DialTimeout("tcp", addr, testkit.Patience)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(testkit.Patience))
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
