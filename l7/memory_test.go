package l7_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"testing"
	"time"
)

// TestMemory pins that memory does not grow with a body's size: a large body goes
// up and down at once. The client and the backend are measured with the proxy.
func TestMemory(t *testing.T) {
	const size = 256 << 20
	p := startProxy(t, nil, httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.CopyBuffer(struct{ io.Writer }{w}, r.Body, make([]byte, 64<<10))
	}))
	before := inUse()
	nc := p.dial(t)
	go func() {
		_, _ = fmt.Fprintf(nc, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", size)
		piece := make([]byte, 64<<10)
		for range size / len(piece) {
			_ = nc.SetDeadline(time.Now().Add(patience))
			if _, err := nc.Write(piece); err != nil {
				return
			}
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	total, most := int64(0), 0
	for total < size {
		n, err := io.CopyN(io.Discard, resp.Body, 8<<20)
		if err != nil {
			t.Fatalf("after %d bytes: %v", total+n, err)
		}
		total += n
		most = max(most, inUse())
	}
	if grown := most - before; grown > 32<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
}

// inUse returns the bytes that the process's heap and stacks occupy. What is
// garbage does not count: how much of it there is depends on the tests before and,
// under the race detector, on pools that drop a part of what they are given.
func inUse() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}
