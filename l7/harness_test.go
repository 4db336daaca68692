package l7

import (
	"net"
	"net/netip"
	"testing"

	"fourseven/internal/loop"
	"fourseven/internal/testkit"
)

// ofOneLoop returns a loop of a group of its own, as the server has it.
func ofOneLoop(t testing.TB, s *Server) *ofLoop {
	t.Helper()
	group, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = group.Close() })
	return &ofLoop{Loop: group.Loops()[0], srv: s}
}

// connected returns a connection of the loop.
func (l *ofLoop) connected(t testing.TB) (conn *loop.Conn) {
	t.Helper()
	to := testkit.Listen(t).Addr().(*net.TCPAddr).AddrPort()
	var err error
	l.call(func() {
		conn, err = l.Dial(t.Context(), netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), testkit.Patience)
	})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
