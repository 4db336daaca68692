package l7

import (
	"net"
	"sync/atomic"

	"fourseven/l4"
)

// listener counts the connections that Accept has returned and that are not
// registered yet, so that a shutdown waits for them.
type listener struct {
	*l4.Listener
	arriving *atomic.Int64
}

// Accept returns the next connection, which holds a slot.
func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		l.arriving.Add(1)
	}
	return nc, err
}
