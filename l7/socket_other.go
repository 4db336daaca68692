//go:build !linux

package l7

import "net"

// socket looks at a connection's socket, on Linux only. Elsewhere a dead connection to
// a backend is found by the retry, and a client that left by a write.
type socket struct{}

func (*socket) init(net.Conn)              {}
func (*socket) quiet() bool                { return true }
func (*socket) left() (ended, broken bool) { return false, false }
func (*socket) sends() bool                { return false }
func (*socket) send([]byte) int            { return 0 }
func (*socket) unacknowledged() int        { return 0 }
