//go:build !linux

package l7

import "net"

// socket looks at a connection's socket. It is Linux's alone: elsewhere a dead
// backend connection is found by the retry, and a client's leaving by a write.
type socket struct{}

func (*socket) init(net.Conn)              {}
func (*socket) quiet() bool                { return true }
func (*socket) left() (ended, broken bool) { return false, false }
func (*socket) send([]byte) bool           { return false }
