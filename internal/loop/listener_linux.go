//go:build !portable

package loop

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// unevenMax is how many connections a loop may have more than another one without
// handing a new one over. A relay has two.
const unevenMax = 3

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

	// The rest is guarded by listening.mu.
	number  int32       // in its events; 0 while there are none
	waiting []*acceptor // fibers in Accept

	accept4 func(uintptr) // callAccept, bound once; what it returns:
	fd      int
	errno   syscall.Errno
	peer    unix.RawSockaddrAny
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

	mu     sync.Mutex
	views  []*Listener
	closed bool
	ending bool
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

// AcceptConn waits for the next connection. An error other than net.ErrClosed,
// such as EMFILE, does not end the Listener.
func (ln *Listener) AcceptConn() (*Conn, error) {
	a := &acceptor{fiber: ln.loop.current()}
	// The first try is after waiting, which spares most calls that would find
	// nothing: what waits already is an event, too.
	for err := ln.wait(a); ; {
		if err != nil {
			return nil, ln.acceptError(err)
		}
		ln.loop.park()
		c := ln.take(a)
		if c == nil {
			if c, err = ln.tryAccept(a); err == errAgain {
				err = nil
			}
		}
		if c != nil {
			c.attach()
			return c, nil
		}
	}
}

// wait adds the acceptor to those that wait, unless there is nothing to wait for.
func (ln *Listener) wait(a *acceptor) error {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if ln.closed {
		return net.ErrClosed
	}
	if err := ln.watchLocked(); err != nil {
		return err
	}
	ln.waitLocked(a)
	if ln.ending { // no event may come
		ln.loop.queue.post(op{kind: opWake, fiber: ln.popLocked().fiber})
	}
	return nil
}

func (ln *Listener) acceptError(err error) error {
	if err == net.ErrClosed {
		maps.DeleteFunc(ln.loop.listeners, func(_ int32, v *Listener) bool { return v == ln })
	}
	return &net.OpError{Op: "accept", Net: ln.Addr().Network(), Addr: ln.Addr(), Err: err}
}

// tryAccept accepts without waiting. If there is nothing it adds the acceptor to
// those that wait.
func (ln *Listener) tryAccept(a *acceptor) (*Conn, error) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	for {
		if ln.closed {
			return nil, net.ErrClosed
		}
		c, err := ln.acceptLocked()
		if err == errAgain && ln.ending {
			_ = ln.closeLocked()
			return nil, net.ErrClosed
		}
		if err == errAgain {
			ln.waitLocked(a)
			if failed := ln.watchLocked(); failed != nil {
				err = failed
			}
		}
		if err != nil {
			return nil, err
		}
		if to := ln.fewestLocked(); to != ln {
			to.handLocked(c)
			continue
		}
		ln.loop.load.conns.Add(1)
		return c, nil
	}
}

func (ln *Listener) waitLocked(a *acceptor) {
	if !slices.Contains(ln.waiting, a) {
		ln.waiting = append(ln.waiting, a)
	}
}

// acceptLocked calls accept4 until it says something about the next connection.
func (ln *Listener) acceptLocked() (*Conn, error) {
	if err := ln.raw.Control(ln.accept4); err != nil {
		return nil, net.ErrClosed
	}
	switch ln.errno {
	case 0:
	case syscall.EAGAIN:
		return nil, errAgain
	default:
		return nil, os.NewSyscallError("accept4", ln.errno)
	}
	c := newConn(ln.loop, ln.fd, ln.unix)
	if !ln.unix {
		c.remote = addrPort(&ln.peer)
	}
	return c, nil
}

func (ln *Listener) callAccept(lnfd uintptr) {
	for {
		length := uint32(unix.SizeofSockaddrAny)
		fd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, lnfd, uintptr(unsafe.Pointer(&ln.peer)), uintptr(unsafe.Pointer(&length)),
			unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		ln.fd, ln.errno = int(fd), errno
		if errno != syscall.EINTR && errno != syscall.ECONNABORTED {
			return
		}
	}
}

// watchLocked has the loop woken for new connections.
func (ln *Listener) watchLocked() error {
	if ln.number != 0 {
		return nil
	}
	l := ln.loop
	l.lastListener++
	number := l.lastListener
	var failed error
	err := ln.raw.Control(func(fd uintptr) {
		failed = l.register(int32(fd), unix.EPOLLIN|unix.EPOLLEXCLUSIVE, listenerSlot, number)
	})
	if err != nil {
		return net.ErrClosed
	}
	if failed != nil {
		return os.NewSyscallError("epoll_ctl", failed)
	}
	ln.number = number
	l.listeners[number] = ln
	return nil
}

// unwatchLocked undoes watchLocked, as long as the socket is open.
func (ln *Listener) unwatchLocked() {
	if ln.number == 0 {
		return
	}
	ln.number = 0
	_ = ln.raw.Control(func(fd uintptr) {
		_ = ln.loop.control(unix.EPOLL_CTL_DEL, int32(fd), &unix.EpollEvent{})
	})
}

// ready is called by the loop when a connection may wait. If no fiber waits for
// it here, another loop is told: the kernel has perhaps woken only this one.
func (ln *Listener) ready() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if len(ln.waiting) > 0 {
		ln.loop.wake(ln.popLocked().fiber)
		return
	}
	delete(ln.loop.listeners, ln.number)
	ln.unwatchLocked()
	for _, other := range ln.views {
		if len(other.waiting) > 0 {
			other.retryLocked()
			return
		}
	}
}

// fewestLocked returns the view whose loop gets the next connection. Waking another
// loop costs something, so that a small difference is left as it is.
func (ln *Listener) fewestLocked() *Listener {
	best, fewest := ln, ln.loop.load.conns.Load()-unevenMax
	for _, v := range ln.views {
		if n := v.loop.load.conns.Load(); n < fewest && len(v.waiting) > 0 {
			best, fewest = v, n
		}
	}
	return best
}

// handLocked gives the connection to a fiber that waits here.
func (ln *Listener) handLocked(c *Conn) {
	c.loop.Store(ln.loop)
	ln.loop.load.conns.Add(1)
	a := ln.popLocked()
	a.conn = c
	ln.loop.queue.post(op{kind: opWake, fiber: a.fiber})
}

// retryLocked has a fiber that waits here try again.
func (ln *Listener) retryLocked() {
	ln.loop.queue.post(op{kind: opWake, fiber: ln.popLocked().fiber})
}

func (ln *Listener) popLocked() *acceptor {
	a := ln.waiting[0]
	ln.waiting = slices.Delete(ln.waiting, 0, 1)
	return a
}

// take returns what the acceptor was woken with.
func (ln *Listener) take(a *acceptor) *Conn {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	c := a.conn
	a.conn = nil
	return c
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
	s.ending = true
	for _, v := range s.views {
		for len(v.waiting) > 0 {
			v.retryLocked()
		}
	}
}
