package l4

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// read reads what is there. It returns syscall.EAGAIN if there is nothing, and
// 0 and nil at the end of the stream.
func read(fd uintptr, buf []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), buf)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// waiting returns how many bytes can be read without waiting.
func waiting(fd uintptr) int {
	n, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return n
}

// unacknowledged returns how many written bytes the peer's kernel has not
// acknowledged yet, or 0 if the connection has broken and none will be.
func unacknowledged(fd uintptr) int {
	n, err := unix.IoctlGetInt(int(fd), unix.TIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

// socketError returns the error that broke the connection, if one did.
func socketError(fd uintptr) error {
	code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if code != 0 {
		return syscall.Errno(code)
	}
	return nil
}
