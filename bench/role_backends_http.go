package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// answer is what a backend answers to one path.
type answer struct {
	path string
	size int // of the body, in bytes
}

// The answers of the backends.
var (
	smallAnswer  = answer{path: "/small", size: 35}
	largeAnswer  = answer{path: "/large", size: 64 << 10}
	healthAnswer = answer{path: "/health", size: 35} // for peers that probe
)

// message returns the answer as it goes over the wire.
func (a answer) message() []byte {
	body := `{"server":"backend1","status":"up"}`
	body += strings.Repeat(" ", a.size-len(body))
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", a.size, body)
}

// httpAnswers are the answers, ready to be written.
type httpAnswers map[string][]byte

func newHTTPAnswers() httpAnswers {
	answers := httpAnswers{}
	for _, a := range []answer{smallAnswer, largeAnswer, healthAnswer} {
		answers[a.path] = a.message()
	}
	return answers
}

var notFound = []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

// serve answers the GET requests of one connection; n bytes of buf have come. It
// is no HTTP server: it knows requests without a body, and keeps alive always.
func (h httpAnswers) serve(conn io.ReadWriter, buf []byte, n int) error {
	for {
		end := bytes.Index(buf[:n], []byte("\r\n\r\n"))
		if end >= 0 {
			if _, err := conn.Write(h.find(buf[:end])); err != nil {
				return err
			}
			n = copy(buf, buf[end+4:n])
			continue
		}
		if n == len(buf) {
			return errHeadTooLong
		}
		more, err := conn.Read(buf[n:])
		if err != nil {
			return err
		}
		n += more
	}
}

// find returns the answer to a request head, "GET /path HTTP/1.1\r\n...".
func (h httpAnswers) find(head []byte) []byte {
	_, rest, _ := bytes.Cut(head, []byte(" "))
	path, _, _ := bytes.Cut(rest, []byte(" "))
	if message, ok := h[string(path)]; ok {
		return message
	}
	return notFound
}
