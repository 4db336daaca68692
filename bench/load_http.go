package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// httpGet is a GET request on a kept-alive connection, and its answer. It is a
// client for this one purpose, so that it costs little beside what it measures.
type httpGet struct {
	conn    net.Conn
	request []byte
	size    int // of the body that is expected
	buf     []byte
}

// headRoom is the longest response head, and how much of a body is read at once.
const headRoom = 32 << 10

func openHTTP(a answer) opener {
	request := []byte("GET " + a.path + " HTTP/1.1\r\nHost: bench.example\r\n\r\n")
	return func(addr string, deadline time.Time) (operation, error) {
		conn, err := dial(addr, deadline)
		if err != nil {
			return nil, err
		}
		return &httpGet{conn: conn, request: request, size: a.size, buf: make([]byte, min(headRoom, a.size+4<<10))}, nil
	}
}

func (h *httpGet) do() (int64, error) {
	if _, err := h.conn.Write(h.request); err != nil {
		return 0, err
	}
	body, err := h.readHead()
	if err != nil {
		return 0, err
	}
	for body < h.size {
		n, err := h.conn.Read(h.buf)
		if err != nil {
			return 0, fmt.Errorf("after %d bytes of the body: %w", body, err)
		}
		body += n
	}
	if body > h.size {
		return 0, fmt.Errorf("%d bytes follow the body", body-h.size)
	}
	return 1, nil
}

// readHead reads a response head and returns how much of the body came with it.
func (h *httpGet) readHead() (int, error) {
	for n := 0; n < len(h.buf); {
		more, err := h.conn.Read(h.buf[n:])
		if err != nil {
			return 0, err
		}
		n += more
		if end := bytes.Index(h.buf[:n], []byte("\r\n\r\n")); end >= 0 {
			return n - end - 4, checkHead(h.buf[:end], h.size)
		}
	}
	return 0, errors.New("the response head does not end")
}

// checkHead returns an error unless the head is that of the answer: status 200
// and a body of size.
func checkHead(head []byte, size int) error {
	status, fields, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200")) {
		return fmt.Errorf("expected status 200, got %q", status)
	}
	got, err := contentLength(fields)
	if err != nil {
		return err
	}
	if got != size {
		return fmt.Errorf("expected a body of %d bytes, got %d", size, got)
	}
	return nil
}

var lengthName = []byte("Content-Length:")

func contentLength(fields []byte) (int, error) {
	for len(fields) > 0 {
		line, rest, _ := bytes.Cut(fields, []byte("\r\n"))
		if len(line) > len(lengthName) && bytes.EqualFold(line[:len(lengthName)], lengthName) {
			return strconv.Atoi(string(bytes.TrimSpace(line[len(lengthName):])))
		}
		fields = rest
	}
	return 0, errors.New("the answer has no Content-Length")
}

func (h *httpGet) close() { _ = h.conn.Close() }
