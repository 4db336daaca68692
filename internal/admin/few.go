package admin

import (
	"net"
	"net/http"
	"slices"
	"sync"
)

// maxConns is how many connections to the admin address there may be at once. Their
// descriptors are of those that are kept back from clients.
const maxConns = 24

// few bounds the connections of a server, so that they take no descriptors from
// clients: for one too many, the one that has been waiting for a request the
// longest is closed, or if all are at work the new one.
type few struct {
	mu      sync.Mutex
	live    map[net.Conn]struct{} // without those that are being closed
	waiting []net.Conn
}

// Few returns a ConnState hook of an http.Server that keeps its connections few.
func Few() func(net.Conn, http.ConnState) {
	f := &few{live: map[net.Conn]struct{}{}}
	return func(conn net.Conn, state http.ConnState) {
		if extra := f.note(conn, state); extra != nil {
			_ = extra.Close()
		}
	}
}

// note returns the connection to be closed, or nil.
func (f *few) note(conn net.Conn, state http.ConnState) net.Conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = slices.DeleteFunc(f.waiting, func(c net.Conn) bool { return c == conn })
	switch _, lives := f.live[conn]; {
	case state == http.StateNew:
		f.live[conn] = struct{}{}
		f.waiting = append(f.waiting, conn)
	case state == http.StateIdle && lives:
		f.waiting = append(f.waiting, conn)
	case state == http.StateClosed || state == http.StateHijacked:
		delete(f.live, conn)
	}
	if len(f.live) <= maxConns {
		return nil
	}
	extra := f.waiting[0] // the new one at least
	f.waiting = f.waiting[1:]
	delete(f.live, extra)
	return extra
}
