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

// send sends p without waiting. It reports whether that succeeded.
func (s *socket) send(p []byte) bool {
	if s.raw == nil {
		return false
	}
	var err error
	controlErr := s.raw.Control(func(fd uintptr) { _, err = l4.Send(fd, p) })
	return controlErr == nil && err == nil
}

// left reports whether the peer has closed its side (ended), and whether the
// connection is broken altogether.
func (s *socket) left() (ended, broken bool) {
	events := s.now()
	return events&unix.POLLRDHUP != 0, events&(unix.POLLERR|unix.POLLHUP) != 0
}
