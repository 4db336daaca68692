//go:build !portable

package loop

import (
	"cmp"
	"errors"
	"maps"
	"net"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errMissed is returned inside the package: a connection may be in the queue of which
// no event comes.
var errMissed = errors.New("loop: try again")

// AcceptConn waits for the next connection. An error other than net.ErrClosed,
// such as EMFILE, does not end the Listener.
func (ln *Listener) AcceptConn() (*Conn, error) {
	a := ln.acceptor()
	defer func() { ln.spare = a }()
	c, err := ln.begin(a)
	for c == nil && (err == nil || err == errAgain) {
		ln.loop.park()
		var woken bool
		if c, woken = ln.take(a); woken && c == nil {
			c, err = ln.tryAccept(a)
		}
	}
	if c == nil {
		return nil, ln.acceptError(err)
	}
	c.attach()
	ln.loop.pay(acceptCost)
	return c, nil
}

// acceptor returns one for the running fiber, the spare one if there is one: most
// listeners have one fiber that accepts again and again.
func (ln *Listener) acceptor() *acceptor {
	a := ln.spare
	if a == nil {
		a = new(acceptor)
	}
	ln.spare = nil
	a.fiber = ln.loop.current()
	return a
}

// begin tries at once, which serves a burst in one turn of the loop. After a try
// that found nothing the next few wait first: what is there already is an event, too.
func (ln *Listener) begin(a *acceptor) (*Conn, error) {
	if ln.patience > 0 {
		ln.patience--
		if err := ln.wait(a); err != errMissed {
			return nil, err
		}
	}
	c, err := ln.tryAccept(a)
	if err == errAgain {
		ln.patience = maxPatience
	}
	return c, err
}

// wait adds the acceptor to those that wait, unless there is nothing to wait for.
func (ln *Listener) wait(a *acceptor) error {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return ln.waitLocked(a)
}

func (ln *Listener) waitLocked(a *acceptor) error {
	switch {
	case ln.closed:
		return net.ErrClosed
	case ln.ending.Load() || ln.missed.Load() != ln.seen: // no event may come
		return errMissed
	case !slices.Contains(ln.waiting, a):
		ln.waiting = append(ln.waiting, a)
	}
	return ln.watchLocked()
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
	for {
		ending := ln.ending.Load() // before the call that finds the queue empty
		ln.seen = ln.missed.Load()
		c, err := ln.accept() // without the lock: another loop would wait for the call
		if c, err = ln.settle(a, c, err, ending); err != errMissed {
			return c, err
		}
	}
}

// settle decides what becomes of an accepted connection, or of an acceptor that found
// none. It returns errMissed if another call is due.
func (ln *Listener) settle(a *acceptor, c *Conn, err error, ending bool) (*Conn, error) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	switch {
	case c != nil: // also if the listener was closed since
		if to := ln.fewestLocked(); to != ln {
			to.handLocked(c)
			return nil, errMissed
		}
		ln.loop.load.conns.Add(1)
		return c, nil
	case ln.closed:
		return nil, net.ErrClosed
	case err != errAgain:
		return nil, err
	case ending:
		_ = ln.closeLocked()
		return nil, net.ErrClosed
	}
	return nil, cmp.Or(ln.waitLocked(a), errAgain)
}

// accept calls accept4 until it returns the next connection or an error about it.
func (ln *Listener) accept() (*Conn, error) {
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

// ready is called by the loop when a connection may wait. If no fiber waits for it here,
// another loop is notified: the kernel has perhaps woken only this one. If none waits
// anywhere, the next one that is to wait tries first.
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
	ln.missed.Add(1)
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

// take returns what the acceptor was woken with, and whether it was: its fiber may have
// been resumed for another reason, while the acceptor still waits.
func (ln *Listener) take(a *acceptor) (c *Conn, woken bool) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	c, a.conn = a.conn, nil
	return c, !slices.Contains(ln.waiting, a)
}
