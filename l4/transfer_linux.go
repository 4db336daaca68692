package l4

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Recv reads what has arrived, without waiting. It returns syscall.EAGAIN if
// nothing has, and 0 and nil at the end of the stream.
//
// The runtime is not told of the system call. If it were, it would take the
// processor away from a thread whose call lasts longer than 20 µs, as sending on
// loopback or on a busy machine does, give it to another thread, and look for more
// such threads every 20 µs. That was a tenth of a small message's cost.
func Recv(fd uintptr, p []byte) (int, error) { return transfer(unix.SYS_RECVFROM, fd, p) }

// Send writes as much as the socket takes now, without waiting, and returns how
// much that was. It returns syscall.EAGAIN if there is no room. See Recv.
func Send(fd uintptr, p []byte) (int, error) { return transfer(unix.SYS_SENDTO, fd, p) }

func transfer(call, fd uintptr, p []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
