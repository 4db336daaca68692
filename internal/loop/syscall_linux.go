//go:build !portable

package loop

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of each connection and message, of which the runtime is not told.
// If it were, it would take the processor away from a thread whose call lasts longer
// than 20 µs, as closing or sending on a busy machine does, give it to another thread,
// and look for more such threads every 20 µs. None of them blocks.

// call calls recvfrom or sendto.
func call(number uintptr, fd int32, p []byte) (int, syscall.Errno) {
	return callWith(number, fd, p, unix.MSG_NOSIGNAL)
}

// peek reads what is there and leaves it there.
func peek(fd int32, p []byte) (int, syscall.Errno) {
	return callWith(unix.SYS_RECVFROM, fd, p, unix.MSG_PEEK)
}

func callWith(number uintptr, fd int32, p []byte, flags uintptr) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			unix.MSG_DONTWAIT|flags, 0, 0)
		if errno == 0 {
			return int(n), 0
		}
		if errno != syscall.EINTR {
			return 0, errno
		}
	}
}

// newSocket returns a stream socket.
func newSocket(family int) (int32, syscall.Errno) {
	fd, _, errno := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if errno != 0 {
		return -1, errno
	}
	return int32(fd), 0
}

// setNoDelay also sends what MSG_MORE holds back.
func setNoDelay(fd int32) {
	on := int32(1)
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, uintptr(unsafe.Pointer(&on)), unsafe.Sizeof(on), 0)
}

// closeSocket closes a descriptor, if wanted so that the peer gets a reset.
func closeSocket(fd int32, reset bool) {
	if reset {
		linger := unix.Linger{Onoff: 1}
		_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_LINGER, uintptr(unsafe.Pointer(&linger)), unsafe.Sizeof(linger), 0)
	}
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// shutdownWrite sends the end of the stream.
func shutdownWrite(fd int32) syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return errno
}
