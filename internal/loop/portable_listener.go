//go:build !linux || portable

package loop

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// emptyPause is how long an Accept waits for one more connection before it looks
// whether the queue is empty, after CloseWhenEmpty.
const emptyPause = 20 * time.Millisecond

// Listener is one loop's view of a listening socket that all loops of a Group
// accept from. A connection belongs to the loop whose Accept returns it: the one
// with the fewest connections among those that wait in Accept. Several fibers of a
// loop may wait in it.
//
// A connection is accepted only for an Accept that waits for it, so that the
// kernel's queue holds the others.
type Listener struct {
	*listening
	loop *Loop
}

// listening is the socket.
type listening struct {
	group *Group
	ln    listenSocket

	mu      sync.Mutex
	views   []*Listener
	waiting []*acceptor
	closed  bool
	ending  bool
}

type listenSocket interface {
	net.Listener
	syscall.Conn
	SetDeadline(time.Time) error
}

// acceptor is a fiber that waits in Accept.
type acceptor struct {
	loop  *Loop
	gotc  chan struct{}
	conn  stream
	error error
}

// Listen makes the loops accept from ln, a *net.TCPListener or *net.UnixListener or
// one that has a SyscallConn like theirs. It returns a Listener for each loop, in
// the order of Loops. From then on ln belongs to them: it is closed with them, and
// its own Accept must not be called. For TCP, connections get TCP_NODELAY.
func (g *Group) Listen(ln net.Listener) ([]*Listener, error) {
	socket, ok := ln.(listenSocket)
	if !ok {
		return nil, fmt.Errorf("listen on %s: %T has no descriptor", ln.Addr(), ln)
	}
	if err := unblock(socket); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", ln.Addr(), err)
	}
	s := &listening{group: g, ln: socket}
	for _, l := range g.loops {
		s.views = append(s.views, &Listener{s, l})
	}
	if !g.enrol(s) {
		return nil, ErrClosed
	}
	return s.views, nil
}

// unblock undoes what os.File.Fd does.
func unblock(ln listenSocket) error {
	raw, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = unix.SetNonblock(int(fd), true) })
	return errors.Join(err, failed)
}

// Loop returns the loop that the Listener accepts for. Any goroutine may call it.
func (ln *Listener) Loop() *Loop { return ln.loop }

// Addr returns the listener's address. Any goroutine may call it.
func (s *listening) Addr() net.Addr { return s.ln.Addr() }

// Accept is AcceptConn for a net.Listener.
func (ln *Listener) Accept() (net.Conn, error) {
	c, err := ln.AcceptConn()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptConn waits for the next connection. An error other than net.ErrClosed,
// such as EMFILE, does not end the Listener.
func (ln *Listener) AcceptConn() (*Conn, error) {
	a := &acceptor{loop: ln.loop, gotc: make(chan struct{})}
	ln.mu.Lock()
	ln.waiting = append(ln.waiting, a)
	ln.mu.Unlock()
	// The connection that this accepts may be for another acceptor.
	one := ln.loop.spawn(nil, func() bool { ln.acceptOne(); return false }, nil)
	ln.loop.wait(func() {
		if !one { // the Group is being closed, and the socket is
			ln.acceptOne()
		}
		<-a.gotc
	})
	if a.error != nil {
		return nil, a.error
	}
	return attachConn(ln.loop, a.conn), nil
}

// acceptOne accepts for the acceptor whose loop has the fewest connections.
func (s *listening) acceptOne() {
	conn, err := s.accept()
	s.mu.Lock()
	defer s.mu.Unlock()
	best := slices.MinFunc(s.waiting, func(a, b *acceptor) int { return a.loop.Conns() - b.loop.Conns() })
	s.waiting = slices.DeleteFunc(s.waiting, func(a *acceptor) bool { return a == best })
	if err == nil {
		best.conn = conn.(stream)
		best.loop.load.conns.Add(1)
	}
	best.error = err
	close(best.gotc)
}

func (s *listening) accept() (net.Conn, error) {
	for {
		s.mu.Lock()
		ending := s.ending
		s.mu.Unlock()
		if ending {
			if s.empty() {
				_ = s.Close()
			}
			_ = s.ln.SetDeadline(time.Now().Add(emptyPause))
		}
		conn, err := s.ln.Accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return conn, err
		}
	}
}

// empty reports whether no connection waits to be accepted.
func (s *listening) empty() bool {
	raw, err := s.ln.SyscallConn()
	if err != nil {
		return true
	}
	waits := false
	_ = raw.Control(func(fd uintptr) {
		fds := [...]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds[:], 0)
		waits = n > 0 && err == nil
	})
	return !waits
}

// Close closes the listening socket of all loops: every Accept returns
// net.ErrClosed. Connections that wait in the kernel's queue are reset. Any
// goroutine may call it.
func (s *listening) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = true
	s.group.forget(s)
	return s.ln.Close()
}

// CloseWhenEmpty lets Accept return the connections that wait in the kernel's
// queue, then closes the listener and returns net.ErrClosed. Close still closes it
// at once. Any goroutine may call it.
func (s *listening) CloseWhenEmpty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
	_ = s.ln.SetDeadline(past) // what waits looks again
}
