package health

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Recv reads what is there from a socket that does not block. It returns
// syscall.EAGAIN if there is nothing, and 0 and nil at the end of the stream.
//
// The runtime is not told of the system call. Told of it, it takes the processor away
// from a thread whose call takes longer than 20 µs, as sending on loopback or on a
// busy machine does, gives it to another, and looks for more such threads every
// 20 µs; that was a tenth of a small message's cost.
func Recv(fd uintptr, p []byte) (int, error) { return transfer(unix.SYS_RECVFROM, fd, p) }

// Send writes what the socket takes, as Recv reads. It returns syscall.EAGAIN if that
// is nothing.
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
