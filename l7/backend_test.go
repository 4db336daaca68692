package l7_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"fourseven/internal/testkit"
)

// scriptedBackend runs serve for each connection until the test's end.
func scriptedBackend(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	ln := testkit.Listen(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[nc] = true
			mu.Unlock()
			wg.Go(func() {
				defer func() { _ = nc.Close() }()
				serve(nc)
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		for nc := range conns {
			_ = nc.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return ln.Addr().String()
}

// rawBackend answers each request, once its body is read, with these bytes, and
// closes.
func rawBackend(t testing.TB, answer string) string {
	t.Helper()
	return scriptedBackend(t, func(nc net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(nc, answer)
	})
}

// httpBackend serves the handler with net/http until the test's end.
func httpBackend(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	ln := testkit.Listen(t)
	srv := &http.Server{Handler: handler}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(ln)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return ln.Addr().String()
}

func answerOK(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }
