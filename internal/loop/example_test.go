package loop_test

import (
	"errors"
	"fmt"
	"io"
	"net"

	"fourseven/internal/loop"
)

// An echo server: the accept loop and the connections are fibers.
func Example() {
	group, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		panic(err)
	}
	defer func() { _ = group.Close() }()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	listeners, err := group.Listen(ln)
	if err != nil {
		panic(err)
	}
	for _, ln := range listeners {
		ln.Loop().Go(func() {
			for {
				conn, err := ln.AcceptConn()
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err != nil {
					continue
				}
				conn.Go(func() {
					defer func() { _ = conn.Close() }()
					_, _ = io.Copy(struct{ io.Writer }{conn}, conn)
				})
			}
		})
	}

	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		panic(err)
	}
	defer func() { _ = client.Close() }()
	_, _ = io.WriteString(client, "hello")
	_ = client.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(client)
	fmt.Printf("%s\n", answer)
	// Output: hello
}
