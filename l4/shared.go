package l4

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Shared is a TCP listener on an address that a second process may also listen on,
// so that it can take over without losing a connection. The kernel keeps a queue
// for each of the two listeners, and resets the connections in a queue when its
// listener closes. Therefore the newer listener gets all new connections as soon as
// it listens, and the older one closes once its queue is empty.
//
// Accept must not be called by two goroutines at a time.
type Shared struct {
	*net.TCPListener
	older  uint64 // inode of the listener that this one took over from; 0 if none
	ending atomic.Bool
}

// ListenShared listens as Listen does, on a TCP address that one other process of
// the same user may have, provided that it used ListenShared. New connections go to
// this listener from now on, and no longer to the other.
func ListenShared(ctx context.Context, addr string) (*Shared, error) {
	lc := listenConfig()
	lc.Control = func(network, addr string, c syscall.RawConn) error {
		return errors.Join(TuneSocket(network, addr, c), setReusePort(c))
	}
	ln, err := lc.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: by a process that does not share it, or by one of another user", err)
	}
	if err != nil {
		return nil, err
	}
	l := &Shared{TCPListener: ln.(*net.TCPListener)}
	if err := l.takeOver(); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("take over %s: %w", ln.Addr(), err)
	}
	return l, nil
}

// TookOver reports whether another process was listening on the address.
func (l *Shared) TookOver() bool { return l.older != 0 }

// takeOver makes the kernel send new connections here. This listener is now the
// last one in the kernel's group. When a listener leaves the group, the last one
// takes its index; with two listeners the result is always known, which is why a
// third is refused.
func (l *Shared) takeOver() error {
	others, err := l.others()
	switch {
	case err != nil || len(others) == 0:
		return err
	case len(others) > 1:
		return fmt.Errorf("%d processes listen there already, expected one at most: the one before has not closed its listeners yet", len(others))
	}
	l.older = others[0]
	return l.steer(1)
}

// StepBack makes the kernel send new connections to the other process, if there is
// one: to the newer one, which gets them already, or back to the older one that
// this listener took over from.
func (l *Shared) StepBack() error {
	if l.older == 0 {
		return nil
	}
	others, err := l.others()
	if err != nil || len(others) != 1 || others[0] != l.older {
		return err
	}
	return l.steer(0)
}

// CloseWhenEmpty makes Accept return the connections in the queue, then close the
// listener and return net.ErrClosed. Close still closes it at once.
func (l *Shared) CloseWhenEmpty() {
	l.ending.Store(true)
	_ = l.SetDeadline(LongAgo) // an Accept that waits returns
}

// Accept returns the next connection.
func (l *Shared) Accept() (net.Conn, error) {
	for {
		if l.ending.Load() && l.empty() {
			_ = l.Close()
			return nil, net.ErrClosed
		}
		conn, err := l.TCPListener.Accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return conn, err
		}
		_ = l.SetDeadline(time.Time{})
	}
}

// empty reports whether no connection waits to be accepted.
func (l *Shared) empty() bool {
	empty := true
	err := l.control(func(fd uintptr) error {
		events, err := Poll(fd, unix.POLLIN)
		empty = events == 0 && err == nil
		return nil
	})
	return empty || err != nil // a closed listener is empty
}

// control calls a function with the socket.
func (l *Shared) control(do func(fd uintptr) error) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	return errors.Join(raw.Control(func(fd uintptr) { failed = do(fd) }), failed)
}
