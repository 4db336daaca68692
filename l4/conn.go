package l4

import (
	"net"
	"net/netip"

	"fourseven/internal/loop"
)

// Conn is a connection of a loop, bare (*loop.Conn) or with TLS on it (*TLSConn). What
// the methods do is documented there.
type Conn interface {
	net.Conn
	CloseWrite() error
	Reset() error
	Flush() error
	Unread(p []byte)
	TryRead(p []byte) (int, error)
	TryWrite(p []byte) int

	Loop() *loop.Loop
	Go(fn func()) bool
	OnReadable(fn func())
	MoveTo(l *loop.Loop, fn func()) bool

	Err() error
	Quiet() bool
	PeerLeft() (ended, gone bool)
	Unacked() int
	BytesRead() int64
	BytesWritten() int64
	RemoteAddrPort() netip.AddrPort
}

var _, _ Conn = (*loop.Conn)(nil), (*TLSConn)(nil)

// Taken returns how many bytes of what was written the peer's kernel has acknowledged:
// encrypted ones, if there is TLS.
func Taken(c Conn) int64 {
	b := bare(c)
	return b.BytesWritten() - int64(b.Unacked())
}

// bare returns the loop's connection, which is under the TLS if there is any.
func bare(c Conn) *loop.Conn {
	if t, ok := c.(*TLSConn); ok {
		return t.raw
	}
	return c.(*loop.Conn)
}
