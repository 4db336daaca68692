//go:build !portable

package loop

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// unevenMax is how many connections a loop may have more than another one without
// handing a new one over. A relay has two.
const unevenMax = 3

const (
	// maxPatience is how many Accepts wait first after one that found nothing.
	maxPatience = 8
	// acceptCost is what a connection counts for in a fiber's fair share.
	acceptCost = fairShare / 64
)

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

	// Of the loop's own:
	patience int
	spare    *acceptor     // of an Accept that has returned; nil while it waits
	seen     uint32        // listening.missed before the last call of accept4
	accept4  func(uintptr) // callAccept, bound once; what it returns:
	fd       int
	errno    syscall.Errno
	peer     unix.RawSockaddrAny

	// Guarded by listening.mu:
	number  int32       // in its events; 0 while there are none
	waiting []*acceptor // fibers in Accept
}

// acceptor is a fiber that waits in Accept.
type acceptor struct {
	fiber *fiber
	conn  *Conn // handed over by another loop; nil: try again
}

// listening is the socket. It holds the net.Listener: a finalizer would close it.
type listening struct {
	group *Group
	ln    net.Listener
	raw   syscall.RawConn
	unix  bool

	ending atomic.Bool   // it is closed as soon as the queue is empty
	missed atomic.Uint32 // events for which no fiber waited; changes under mu

	mu     sync.Mutex // never held during a system call of each connection
	views  []*Listener
	closed bool
}

// Listen makes the loops accept from ln, a *net.TCPListener or *net.UnixListener or
// one that has a SyscallConn like theirs. It returns a Listener for each loop, in
// the order of Loops. From then on ln belongs to them: it is closed with them, and
// its own Accept must not be called. For TCP, connections get TCP_NODELAY.
func (g *Group) Listen(ln net.Listener) ([]*Listener, error) {
	sc, ok := ln.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("listen on %s: %T has no descriptor", ln.Addr(), ln)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", ln.Addr(), err)
	}
	s := &listening{group: g, ln: ln, raw: raw, unix: ln.Addr().Network() == "unix"}
	for _, l := range g.loops {
		v := &Listener{listening: s, loop: l}
		v.accept4 = v.callAccept
		s.views = append(s.views, v)
	}
	if err := s.prepare(); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", ln.Addr(), err)
	}
	if !g.enrol(s) {
		return nil, ErrClosed
	}
	return s.views, nil
}

// prepare sets the socket's options. It may come from another process, or from
// os.File.Fd, which has made it blocking.
func (s *listening) prepare() error {
	var failed error
	err := s.raw.Control(func(fd uintptr) {
		leavePoller(int(fd))
		failed = os.NewSyscallError("set non-blocking", unix.SetNonblock(int(fd), true))
		if !s.unix {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // connections inherit it
		}
	})
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

// Close closes the listening socket of all loops: every Accept returns
// net.ErrClosed. Connections that wait in the kernel's queue are reset. Any
// goroutine may call it.
func (s *listening) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	return s.closeLocked()
}

func (s *listening) closeLocked() error {
	s.closed = true
	for _, v := range s.views {
		v.unwatchLocked() // another process may hold the socket: closing it is not enough
		for len(v.waiting) > 0 {
			v.retryLocked()
		}
	}
	s.group.forget(s)
	return s.ln.Close()
}

// CloseWhenEmpty lets Accept return the connections that wait in the kernel's
// queue, then closes the listener and returns net.ErrClosed. Close still closes it
// at once. Any goroutine may call it.
func (s *listening) CloseWhenEmpty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending.Store(true)
	for _, v := range s.views {
		for len(v.waiting) > 0 {
			v.retryLocked()
		}
	}
}
