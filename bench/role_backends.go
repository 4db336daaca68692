package main

import (
	"errors"
	"fmt"
	"io"
	"net"
)

// backendCount is how many backends stand behind each peer.
const backendCount = 2

// A client's first byte says what the backend does with the connection. HTTP
// needs none of its own: its requests begin with 'G'.
const (
	commandEcho = 'e' // sends back what follows
	commandOnce = 'o' // sends back one byte and closes
	commandBulk = 's' // sends until the client closes
	commandHTTP = 'G' // a GET request
)

// serveBackends serves the backends and writes their addresses to w, one a line.
func serveBackends(w io.Writer) error {
	errc := make(chan error)
	b := newBackend()
	for range backendCount {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, ln.Addr()); err != nil {
			return err
		}
		go func() { errc <- b.accept(ln) }()
	}
	return <-errc
}

// backend is what a backend needs to answer, made once for all connections.
type backend struct {
	answers httpAnswers
	block   []byte // of bulk
}

func newBackend() *backend {
	return &backend{answers: newHTTPAnswers(), block: make([]byte, 256<<10)}
}

// accept serves the connections of ln until it is closed.
func (b *backend) accept(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go b.serve(conn)
	}
}

// serve serves one connection until its client ends it. An error needs no
// word here: the client sees it.
func (b *backend) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	buf := make([]byte, 4<<10)
	n, err := conn.Read(buf)
	if err != nil {
		return
	}
	switch buf[0] {
	case commandEcho:
		_ = serveEcho(conn, buf, n)
	case commandOnce:
		_ = serveOnce(conn, buf, n)
	case commandBulk:
		_ = b.serveBulk(conn)
	case commandHTTP:
		_ = b.answers.serve(conn, buf, n)
	}
}

// serveEcho sends back what follows the command, of which n bytes have come.
func serveEcho(conn net.Conn, buf []byte, n int) error {
	pending := buf[1:n]
	for {
		if len(pending) > 0 {
			if _, err := conn.Write(pending); err != nil {
				return err
			}
		}
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		pending = buf[:n]
	}
}

func serveOnce(conn net.Conn, buf []byte, n int) error {
	if n < 2 {
		if _, err := io.ReadFull(conn, buf[1:2]); err != nil {
			return err
		}
	}
	_, err := conn.Write(buf[1:2])
	return err
}

func (b *backend) serveBulk(conn net.Conn) error {
	for {
		if _, err := conn.Write(b.block); err != nil {
			return err
		}
	}
}

var errHeadTooLong = errors.New("request head is longer than the buffer")
