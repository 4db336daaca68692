//go:build !linux || portable

package loop

import (
	"fmt"
	"net"
	"time"
)

// Attach takes over a connection of package net, a *net.TCPConn or *net.UnixConn.
// From then on nc must not be used. After an error it is as it was.
func (l *Loop) Attach(nc net.Conn) (*Conn, error) {
	conn, ok := nc.(stream)
	if !ok {
		return nil, fmt.Errorf("take over the connection from %s: %T has no descriptor", nc.RemoteAddr(), nc)
	}
	if l.ctx.Err() != nil {
		return nil, ErrClosed
	}
	_ = nc.SetDeadline(time.Time{})
	l.load.conns.Add(1)
	return attachConn(l, conn), nil
}
