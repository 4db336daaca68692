package http1

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// TestChunkLineLimit pins that a chunk's size line is as long as it may be, however it
// arrives: a whole line that was in the buffer at once used to be accepted.
func TestChunkLineLimit(t *testing.T) {
	for _, tt := range []struct {
		name   string
		length int // of the line with its end
		want   error
	}{
		{"longest", maxChunkLine, nil},
		{"too long", maxChunkLine + 1, errChunkSize},
	} {
		t.Run(tt.name, func(t *testing.T) {
			line := "2;" + strings.Repeat("e", tt.length-len("2;\r\n")) + "\r\n"
			sent := line + "ab\r\n0\r\n\r\n"
			for _, conn := range []io.Reader{strings.NewReader(sent), iotest.OneByteReader(strings.NewReader(sent))} {
				var body Body
				body.Start(&Reader{Conn: conn}, Chunked)
				if _, err := body.Next(); !errors.Is(err, tt.want) {
					t.Errorf("%T: got %v, want %v", conn, err, tt.want)
				}
			}
		})
	}
}
