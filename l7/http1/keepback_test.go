package http1

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestKeepBack pins that of a body that goes on the last byte is kept back whenever the
// connection is read, and that all of the body comes in the end.
func TestKeepBack(t *testing.T) {
	body := strings.Repeat("0123456789", BulkBuffer/4)
	for _, length := range []int64{int64(len(body)), UntilClose} {
		for _, whole := range []io.Reader{strings.NewReader(body), iotest.OneByteReader(strings.NewReader(body))} {
			var b Body
			var got strings.Builder
			rd := &Reader{Conn: whole}
			reads := 0
			rd.Before = func() error {
				if kept := b.Kept(); reads > 0 && len(kept) == 0 && got.Len() < len(body) {
					t.Fatalf("nothing is kept back after %d bytes", got.Len())
				} else if len(kept) == 1 && kept[0] != body[got.Len()] {
					t.Fatalf("%q is kept back after %d bytes", kept, got.Len())
				}
				reads++
				return nil
			}
			b.KeepBack = true
			b.Start(rd, length)
			for {
				piece, err := b.Next()
				got.Write(piece)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if got.String() != body {
				t.Errorf("length %d: got %d bytes, want %d", length, got.Len(), len(body))
			}
		}
	}
}
