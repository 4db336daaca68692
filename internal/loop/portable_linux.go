//go:build portable

package loop

import "golang.org/x/sys/unix"

// tcpClose is the state of a socket that has no connection (tcp_states.h).
const tcpClose = 7

// gone reports whether a TCP connection is no more.
func gone(conn stream) (closed bool) {
	control(conn, func(fd int) {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		closed = err == nil && info.State == tcpClose
	})
	return closed
}

// unacked returns how many bytes wait to be acknowledged.
func unacked(conn stream) (n int) {
	if conn.RemoteAddr().Network() == "unix" || gone(conn) {
		return 0
	}
	control(conn, func(fd int) { n, _ = unix.IoctlGetInt(fd, unix.TIOCOUTQ) })
	return n
}

// peerLeft is PeerLeft for a descriptor.
func peerLeft(fd int) (ended, gone bool) {
	fds := [...]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	if _, err := unix.Poll(fds[:], 0); err != nil {
		return false, false
	}
	gone = fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
	return gone || fds[0].Revents != 0, gone
}
