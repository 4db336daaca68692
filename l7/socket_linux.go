package l7

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"fourseven/l4"
)

// socket looks at a connection's socket without reading from it. It is used by one
// goroutine at a time, which need not be the one that reads. The zero value reports
// an open connection without events.
type socket struct {
	raw    syscall.RawConn
	events int16
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
	s.events, _ = l4.Poll(fd, unix.POLLIN|unix.POLLRDHUP)
}

// now returns the events of the socket. A closed connection has hung up.
func (s *socket) now() int16 {
	if s.raw == nil {
		return 0
	}
	if s.raw.Control(s.look) != nil {
		return unix.POLLHUP
	}
	return s.events
}

// quiet reports whether the connection is open and nothing waits to be read, as it
// must be for an idle connection to a backend.
func (s *socket) quiet() bool { return s.now() == 0 }

// sends reports whether send can send anything. Any goroutine may call it.
func (s *socket) sends() bool { return s.raw != nil }

// send sends as much of p as there is room for, without waiting, and returns how much
// that was.
func (s *socket) send(p []byte) (n int) {
	if s.raw != nil {
		_ = s.raw.Control(func(fd uintptr) { n, _ = l4.Send(fd, p) })
	}
	return n
}

// unacknowledged returns how many of the bytes sent the peer's system has not
// acknowledged, or, over a Unix socket, how many the peer has not read.
func (s *socket) unacknowledged() (n int) {
	if s.raw != nil {
		_ = s.raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
	}
	return max(n, 0)
}

// left reports whether the peer has closed its side (ended), and whether the
// connection is broken altogether.
func (s *socket) left() (ended, broken bool) {
	events := s.now()
	return events&unix.POLLRDHUP != 0, events&(unix.POLLERR|unix.POLLHUP) != 0
}
