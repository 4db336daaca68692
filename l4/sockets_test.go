package l4

import (
	"net"
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
