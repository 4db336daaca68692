package health_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"fourseven/health"
)

// A pool of two backends, one of which is down, and five turns.
func Example() {
	light := health.NewBackend("127.0.0.1:8001")
	spec, err := health.ParseSpec("127.0.0.1:8002;weight=3")
	if err != nil {
		panic(err)
	}
	pool := health.NewPool(light, spec.Backend())
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTimes}))
	pool.OnTransition = (&health.Reporter{Pool: pool, Logger: logger}).Report

	working := map[string]bool{"127.0.0.1:8001": true, "127.0.0.1:8002": true}
	checker := &health.Checker{
		Pool: pool,
		Probe: func(_ context.Context, b *health.Backend) error { // or health.HTTP, Exchange, TCPProbe
			if !working[b.Addr] {
				return errors.New("status 500")
			}
			return nil
		},
		Interval: 10 * time.Second, FastInterval: time.Second, Timeout: 2 * time.Second,
	}
	checker.CheckAll(context.Background()) // decides the first states; then run checker.Run

	for range 4 {
		turn := pool.Turn() // one for each connection
		b := turn.Next()    // again after a failed dial: another backend
		fmt.Println(b.Addr)
		b.Release() // when the connection has ended
	}
	working["127.0.0.1:8002"] = false
	checker.CheckAll(context.Background())
	turn := pool.Turn()
	b := turn.Next()
	fmt.Println(b.Addr)
	b.Release()
	// Output:
	// level=INFO msg="healthy set" up=2 of=2 backends=127.0.0.1:8001,127.0.0.1:8002
	// 127.0.0.1:8002
	// 127.0.0.1:8001
	// 127.0.0.1:8002
	// 127.0.0.1:8002
	// level=WARN msg="backend down" backend=127.0.0.1:8002 err="status 500"
	// level=INFO msg="healthy set" up=1 of=2 backends=127.0.0.1:8001
	// 127.0.0.1:8001
}

// withoutTimes leaves out what differs each time.
func withoutTimes(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == "latency" {
		return slog.Attr{}
	}
	return a
}

// What a backend has is keyed by the Backend: it stays the same when its options change.
func ExamplePool_Replace() {
	pool := health.NewPool(health.NewBackend("127.0.0.1:8001"))
	pool.MarkAllUp()
	before := pool.Find("127.0.0.1:8001")
	pool.Replace([]health.Spec{{Addr: "127.0.0.1:8001", Weight: 5}, {Addr: "127.0.0.1:8002"}})
	for _, b := range pool.Backends() {
		fmt.Println(b, b == before)
	}
	// Output:
	// 127.0.0.1:8001;weight=5 true
	// 127.0.0.1:8002 false
}
