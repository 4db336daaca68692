package l4

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// userTimeout is how long sent data may stay unacknowledged (RFC 5482), where the
// system lets it be set.
const userTimeout = time.Minute

// LongAgo is a deadline that ends waiting reads and writes at once.
var LongAgo = time.Unix(1, 0)

// Reset closes a connection with a reset: its peer cannot take the bytes it received for
// complete. Bytes that the kernel has not delivered yet are lost. A Unix socket is only
// closed.
func Reset(conn net.Conn) {
	switch c := conn.(type) {
	case Conn:
		_ = c.Reset()
		return
	case *net.TCPConn:
		_ = c.SetLinger(0)
	}
	_ = conn.Close()
}

// Poll returns which of the events (unix.POLLIN and so on) a descriptor has now,
// besides errors and hang-ups, which are always included. It does not wait.
func Poll(fd uintptr, events int16) (int16, error) {
	fds := [...]unix.PollFd{{Fd: int32(fd), Events: events}}
	for {
		_, err := unix.Poll(fds[:], 0)
		if err != unix.EINTR {
			return fds[0].Revents, err
		}
	}
}
