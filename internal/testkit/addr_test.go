package testkit

import (
	"errors"
	"net"
	"runtime"
	"syscall"
	"testing"
)

// TestReserveAddr pins what tests rely on: the address refuses connections, no listener
// on port 0 is given it, and a server can come and go on it.
func TestReserveAddr(t *testing.T) {
	reserved := map[string]bool{}
	for range 200 {
		reserved[ReserveAddr(t)] = true
	}
	if len(reserved) != 200 {
		t.Errorf("200 reservations gave %d addresses", len(reserved))
	}
	for range 200 {
		ln := listen(t, "127.0.0.1:0")
		if reserved[ln.Addr().String()] {
			t.Errorf("a listener on port 0 was given %s, which is reserved", ln.Addr())
		}
	}
	addr := ReserveAddr(t)
	wantRefused(t, addr)
	if runtime.GOOS != "linux" {
		return
	}
	for range 2 {
		ln := listen(t, addr)
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		_ = ln.Close()
		wantRefused(t, addr)
	}
}

func listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func wantRefused(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err == nil {
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial: %v, want connection refused", err)
	}
}
