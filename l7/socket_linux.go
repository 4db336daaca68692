package l7

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket looks at a connection's socket without reading from it. It belongs to
// one goroutine at a time, which need not be the one that reads. The zero value
// knows nothing and reports nothing.
type socket struct {
	raw syscall.RawConn
	fds [1]unix.PollFd
	// look is s.poll, kept so that a look allocates nothing.
	look func(fd uintptr)
}

func (s *socket) init(nc net.Conn) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := sc.SyscallConn(); err == nil {
		s.raw, s.look = raw, s.poll
	}
}

func (s *socket) poll(fd uintptr) {
	s.fds[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}
	for {
		_, err := unix.Poll(s.fds[:], 0)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

func (s *socket) events() int16 {
	if s.raw == nil {
		return 0
	}
	if s.raw.Control(s.look) != nil {
		return unix.POLLHUP
	}
	return s.fds[0].Revents
}

// quiet reports whether the connection is open and nothing waits to be read: what
// an idle connection to a backend must be.
func (s *socket) quiet() bool { return s.events() == 0 }

// send sends p without waiting. It reports whether that succeeded.
func (s *socket) send(p []byte) bool {
	if s.raw == nil {
		return false
	}
	var err error
	controlErr := s.raw.Control(func(fd uintptr) {
		err = unix.Send(int(fd), p, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	})
	return controlErr == nil && err == nil
}

// left reports whether the peer has closed its side (ended), and whether the
// connection is broken altogether.
func (s *socket) left() (ended, broken bool) {
	ev := s.events()
	return ev&unix.POLLRDHUP != 0, ev&(unix.POLLERR|unix.POLLHUP) != 0
}
