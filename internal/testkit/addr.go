package testkit

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
)

// ReserveAddr returns a loopback address that refuses connections until something
// listens on it, and that nothing else is given before the test ends: not to a
// listener that asks for port 0, and not to an outgoing connection.
//
// A socket that is bound to the address and does not listen reserves it. Because it
// has SO_REUSEADDR, a program that sets SO_REUSEADDR too, as Go does, can listen on
// the address on Linux, also again after it was stopped. Elsewhere the address is only
// good for a backend that is down.
func ReserveAddr(t testing.TB) string {
	t.Helper()
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatalf("socket: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		t.Fatalf("setsockopt SO_REUSEADDR: %v", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: loopback}); err != nil {
		t.Fatalf("bind: %v", err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatalf("getsockname: %v", err)
	}
	bound := name.(*syscall.SockaddrInet4)
	return netip.AddrPortFrom(netip.AddrFrom4(bound.Addr), uint16(bound.Port)).String()
}

// loopback is one of Linux's 16 million loopback addresses, so that not even a program
// that binds a certain port of 127.0.0.1 gets in the way. Clients of it still come from
// 127.0.0.1.
var loopback = randomLoopback()

func randomLoopback() [4]byte {
	if runtime.GOOS != "linux" { // where there is only one
		return [4]byte{127, 0, 0, 1}
	}
	return [4]byte{127, byte(1 + rand.IntN(254)), byte(rand.IntN(256)), byte(1 + rand.IntN(254))}
}

// Listen returns a listener on a loopback address that nothing else is given before
// the test ends, also not after the listener was closed. So a test can wait until the
// address refuses connections, and can listen on it again. It is closed with the test.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	addr := "127.0.0.1:0"
	if runtime.GOOS == "linux" { // elsewhere nothing can listen on a reserved address
		addr = ReserveAddr(t)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// Host returns a loopback address on which a test may use every port: no other program
// and, but by a coincidence in 16 million, no other test uses it. It exists on Linux.
func Host() string { return netip.AddrFrom4(randomLoopback()).String() }
