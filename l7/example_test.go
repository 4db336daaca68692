package l7_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	"fourseven/health"
	"fourseven/l4"
	"fourseven/l7"
)

func ExampleServer() {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s for %s", r.URL.Path, r.Header.Get("X-Forwarded-For"))
	}))
	defer backend.Close()
	pool := health.NewPool(health.NewBackend(backend.Listener.Addr().String()))
	pool.MarkAllUp()

	s := &l7.Server{
		Pool:          pool,
		Dialer:        &l4.Dialer{Timeout: 2 * time.Second},
		Retries:       2,
		HeaderTimeout: 10 * time.Second,
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _ = s.Serve(ln) }() // ErrServerClosed

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + ln.Addr().String() + "/hello")
	if err != nil {
		panic(err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	fmt.Println(string(body))
	fmt.Println(s.Shutdown(context.Background()))
	// Output:
	// /hello for 127.0.0.1
	// <nil>
}
