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

// receiveMax is where the growth of a socket's receive buffer ends: half of Linux's own
// default for tcp_rmem, because one step of growth may go past it. Hosts tuned for more
// would take in tens of megabytes for a client that does not read.
const receiveMax = 3 << 20

// capReceiveBuffer ends the growth of a receive buffer. It never makes one smaller: the
// peer may use the window that it was granted, the kernel would drop bytes that no longer
// fit, and the peer would send them again only after 200 ms. (TCP_WINDOW_CLAMP does not
// end it: the kernel lifts it whenever the buffer grows.)
func capReceiveBuffer(fd uintptr) {
	size, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil || size <= receiveMax {
		return
	}
	if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BUF_LOCK, receiveLock) == nil {
		return
	}
	// Before Linux 5.14. The kernel doubles the value, and may know an upper limit
	// (net.core.rmem_max) that only a privileged process may pass.
	if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size/2) != nil {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size/2)
	}
}

// receiveLock is SOCK_RCVBUF_LOCK of the kernel's net/sock.h.
const receiveLock = 2
