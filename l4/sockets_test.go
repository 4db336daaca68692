package l4

import (
	"net"
	"syscall"
	"testing"

	"fourseven/internal/testkit"

	"golang.org/x/sys/unix"
)

// awaitAcked returns when the peer's kernel has all that was written.
func awaitAcked(t testing.TB, conn *net.TCPConn) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "all bytes are acknowledged", func() bool {
		n := 1
		if err := raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) }); err != nil {
			return true
		}
		return n == 0
	})
}

// waiting returns how many bytes can be read without waiting, up to 4 KiB.
func waiting(fd uintptr) int {
	n, _, err := unix.Recvfrom(int(fd), make([]byte, 4<<10), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	if err != nil {
		return 0
	}
	return n
}

// socketError returns the error that broke the connection, if one did.
func socketError(fd uintptr) error {
	code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = syscall.Errno(code)
	}
	return err
}
