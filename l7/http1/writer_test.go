package http1

import (
	"strings"
	"testing"
)

// writes keeps what each call of Write got.
type writes struct{ sizes []int }

func (w *writes) Write(p []byte) (int, error) {
	w.sizes = append(w.sizes, len(p))
	return len(p), nil
}

// TestWriteInOne pins that a head which has grown on its way and the piece of the body
// that came in one buffer with it leave in one write, and that bulk is not copied.
func TestWriteInOne(t *testing.T) {
	conn := &writes{}
	w := &Writer{Conn: conn}
	w.Start()
	defer w.Release()
	head, piece, bulk := strings.Repeat("h", 137), []byte(strings.Repeat("p", SmallBuffer-100)), make([]byte, BulkBuffer-1)
	w.Buf = append(w.Buf, head...)
	for _, err := range []error{w.Write(piece), w.Flush(), w.Write(bulk), w.Write([]byte("last")), w.Flush()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []int{len(head) + len(piece), len(bulk), len("last")}
	if len(conn.sizes) != len(want) || conn.sizes[0] != want[0] || conn.sizes[1] != want[1] || conn.sizes[2] != want[2] {
		t.Errorf("writes of %v bytes, want %v", conn.sizes, want)
	}
}
