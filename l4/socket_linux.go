package l4

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tcpClose is the state of a socket that has no connection (tcp_states.h).
const tcpClose = 7

// peerEnded reports whether no more bytes will come than have arrived.
func peerEnded(fd uintptr) bool {
	fds := [...]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(fds[:], 0)
	return err == nil && n > 0
}

// peek reads what is there and leaves it there.
func peek(fd uintptr, buf []byte) (int, error) {
	for {
		n, _, err := unix.Recvfrom(int(fd), buf, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// closedWindow reports whether bytes wait for the peer to open its window: it has
// acknowledged all that was sent, and there is more. heard is how long ago it
// last acknowledged anything, probes included.
func closedWindow(fd uintptr) (heard time.Duration, waits bool) {
	info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil || info.Unacked > 0 || info.State == tcpClose {
		return 0, false
	}
	if n, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ); err != nil || n == 0 {
		return 0, false
	}
	return time.Duration(info.Last_ack_recv) * time.Millisecond, true
}

// setUserTimeout reports whether the socket took it. Zero is the system's own.
func setUserTimeout(fd uintptr, d time.Duration) bool {
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds())) == nil
}

// boundSendQueue bounds what waits for the peer's window.
func boundSendQueue(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMax)
}

// receiveMax is how large a socket's receive buffer may grow: Linux's own default for
// tcp_rmem. Hosts tuned for more would take in tens of megabytes for a client that does
// not read.
const receiveMax = 6 << 20

// capReceiveBuffer bounds the growth of a receive buffer. It never makes one smaller: the
// peer may use the window that it was given, the kernel would drop what has no place any
// more, and the peer would send it again only after 200 ms. (TCP_WINDOW_CLAMP does not
// bound it: the kernel lifts it whenever the buffer grows.)
func capReceiveBuffer(fd uintptr) {
	size, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil || size == receiveMax {
		return
	}
	// The kernel doubles what it is told. The forced form knows no upper limit
	// (net.core.rmem_max), and needs privileges.
	if size < receiveMax && unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveMax/2) == nil {
		return
	}
	if size > receiveMax/2 { // one step of growth may go past it; needs Linux 5.14
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BUF_LOCK, receiveLock)
	}
}

// receiveLock is SOCK_RCVBUF_LOCK of the kernel's net/sock.h.
const receiveLock = 2
