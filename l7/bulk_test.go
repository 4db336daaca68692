package l7_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// TestBulkResponse pins that bodies that are moved past a buffer arrive whole, also if
// the backend pauses in them or the client does, and that their connections serve the
// next request.
func TestBulkResponse(t *testing.T) {
	want := make([]byte, 3<<20)
	for i := range want {
		want[i] = byte(i * i >> 8)
	}
	p := startProxy(t, nil, httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.FormValue("size"))
		step, _ := strconv.Atoi(r.FormValue("step"))
		w.Header().Set("Content-Length", strconv.Itoa(size))
		for from := 0; from < size; from += step {
			_, _ = w.Write(want[from:min(from+step, size)])
			_ = http.NewResponseController(w).Flush()
			if step < size {
				time.Sleep(time.Millisecond) // lets the proxy see a pause
			}
		}
	}))
	nc := p.dial(t)
	br := bufio.NewReaderSize(nc, 4<<10)
	for _, size := range []int{4 << 10, 32 << 10, 33 << 10, 64 << 10, 200_001, 3 << 20} {
		for _, steps := range []int{1, 2, 7} {
			for _, method := range []string{"GET", "POST"} {
				_ = nc.SetDeadline(time.Now().Add(patience))
				_, _ = fmt.Fprintf(nc, "%s /?size=%d&step=%d HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", method, size, size/steps+1)
				resp, err := http.ReadResponse(br, nil)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(resp.Body)
				if err != nil || !bytes.Equal(got, want[:size]) {
					t.Fatalf("%s of %d bytes in %d steps: got %d, %v", method, size, steps, len(got), err)
				}
			}
		}
	}
}
