//go:build unix && !linux

package l4

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// On systems other than Linux the program runs for trying it out: without
// splice and what needs Linux's view of a socket.

// Recv reads what has arrived, without waiting. It returns syscall.EAGAIN if
// nothing has, and 0 and nil at the end of the stream.
func Recv(fd uintptr, buf []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), buf)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// Send writes as much as the socket takes now, without waiting, and returns how
// much that was. It returns syscall.EAGAIN if there is no room.
func Send(fd uintptr, buf []byte) (int, error) {
	for {
		n, err := unix.Write(int(fd), buf)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

func peek(fd uintptr, buf []byte) (int, error) {
	for {
		n, _, err := unix.Recvfrom(int(fd), buf, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

func peerEnded(uintptr) bool                     { return false }
func boundSendQueue(uintptr)                     {}
func capReceiveBuffer(uintptr)                   {}
func closedWindow(uintptr) (time.Duration, bool) { return 0, false }
func setUserTimeout(uintptr, time.Duration) bool { return false }
