//go:build linux

package l7_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
)

// TestIdleMemory pins that an idle connection keeps nothing of its last request: the
// parsed fields of a head of 64 KiB took 2.4 MB for the life of a connection, and later
// a read buffer of 4 KiB was kept. What a goroutine's stack takes differs with the
// race detector, so the heap alone is measured.
func TestIdleMemory(t *testing.T) {
	const conns = 300
	p := startProxy(t, nil, httpBackend(t, answerOK))
	var filler strings.Builder
	for i := range 100 {
		_, _ = fmt.Fprintf(&filler, "f%d: %s\r\n", i, strings.Repeat("x", 600))
	}
	request := "GET / HTTP/1.1\r\nHost: a\r\n" + filler.String() + "\r\n"
	ask := func() net.Conn {
		nc := p.dial(t)
		_, _ = io.WriteString(nc, request)
		readResponse(t, bufio.NewReader(nc), request)
		return nc
	}
	ask() // what the first request allocates for all
	before := liveHeap()
	all := make([]net.Conn, conns)
	for i := range all {
		all[i] = ask()
	}
	grown := (liveHeap() - before) / conns
	t.Logf("%d bytes of heap for an idle connection", grown)
	if most := 4000; grown > most {
		t.Errorf("an idle connection keeps %d bytes of heap, want %d at most, the client's side included", grown, most)
	}
	runtime.KeepAlive(all)
}

// liveHeap returns the bytes of the heap that are in use, without what pools keep.
func liveHeap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // a pool keeps what it has for one collection more
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
