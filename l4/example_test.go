package l4_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"fourseven/health"
	"fourseven/l4"
)

func ExampleServer() {
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer func() { _ = backend.Close() }()
	go func() {
		conn, err := backend.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "hello\n")
		_ = conn.Close()
	}()
	pool := health.NewPool(health.NewBackend(backend.Addr().String()))
	pool.MarkAllUp() // a health.Checker does this in a program

	srv := &l4.Server{Pool: pool, Retries: 2}
	ln, err := l4.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _ = srv.Serve(ln) }() // ErrServerClosed

	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		panic(err)
	}
	got, err := io.ReadAll(client)
	fmt.Print(string(got))
	fmt.Println(err, client.Close())
	fmt.Println(srv.Shutdown(context.Background())) // waits for open connections
	// Output:
	// hello
	// <nil> <nil>
	// <nil>
}
