package l4

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// Pins that bounding a receive buffer does not make it smaller: the kernel drops what the
// peer sent into the window that it was given before, and the peer waits for 200 ms.
func TestReceiveBufferNeverShrinks(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	get := func(fd uintptr, option int) int {
		n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, option)
		if err != nil {
			t.Error(err)
		}
		return n
	}
	err = raw.Control(func(fd uintptr) {
		small := get(fd, unix.SO_RCVBUF)
		capReceiveBuffer(fd)
		if now := get(fd, unix.SO_RCVBUF); now != small && now != receiveMax {
			t.Errorf("a buffer of %d bytes is bounded to %d", small, now)
		}
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20) != nil {
			t.Skip("only root may make it that large")
		}
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BUF_LOCK, 0); err != nil {
			t.Skip("needs Linux 5.14")
		}
		large := get(fd, unix.SO_RCVBUF)
		capReceiveBuffer(fd)
		if now := get(fd, unix.SO_RCVBUF); now != large {
			t.Errorf("a buffer of %d bytes was made one of %d", large, now)
		}
		if get(fd, unix.SO_BUF_LOCK)&receiveLock == 0 {
			t.Error("a large buffer may still grow")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
