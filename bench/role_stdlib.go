package main

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// serveStdlib serves, at addr, a reverse proxy to the backends.
func serveStdlib(addr string, backends []string) error {
	server := &http.Server{
		Addr:              addr,
		Handler:           newStdlibProxy(backends),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
	}
	return server.ListenAndServe()
}

// newStdlibProxy returns the proxy that a user who knows net/http would write:
// round robin, keep-alive to the backends for all clients, pooled buffers.
func newStdlibProxy(backends []string) *httputil.ReverseProxy {
	var ticket atomic.Uint64
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			n := ticket.Add(1) - 1
			r.SetURL(&url.URL{Scheme: "http", Host: backends[n%uint64(len(backends))]})
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 1024, // the default of 2 would dial for almost every request
			IdleConnTimeout:     time.Minute,
			DisableCompression:  true,
		},
		BufferPool: &bufferPool{},
	}
}

// bufferPool is the pool of ReverseProxy's copy buffers.
type bufferPool struct{ pool sync.Pool }

func (b *bufferPool) Get() []byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return *buf
	}
	return make([]byte, 32<<10)
}

func (b *bufferPool) Put(buf []byte) { b.pool.Put(&buf) }
