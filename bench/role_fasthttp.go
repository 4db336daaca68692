package main

import (
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// serveFasthttp serves, at addr, a reverse proxy to the backends.
func serveFasthttp(addr string, backends []string) error {
	server := &fasthttp.Server{
		Handler:               newFasthttpProxy(backends),
		ReadTimeout:           time.Minute,
		IdleTimeout:           time.Minute,
		NoDefaultServerHeader: true,
	}
	return server.ListenAndServe(addr)
}

// newFasthttpProxy returns the proxy that fasthttp's own examples lead to: round
// robin, a HostClient with kept connections for each backend, messages passed on as
// fasthttp reads them, whole bodies in memory.
func newFasthttpProxy(backends []string) fasthttp.RequestHandler {
	clients := make([]*fasthttp.HostClient, len(backends))
	for i, addr := range backends {
		clients[i] = &fasthttp.HostClient{Addr: addr, MaxConns: 1024, MaxIdleConnDuration: time.Minute, ReadTimeout: time.Minute}
	}
	var ticket atomic.Uint64
	return func(ctx *fasthttp.RequestCtx) {
		client := clients[(ticket.Add(1)-1)%uint64(len(clients))]
		ctx.Request.Header.Del(fasthttp.HeaderConnection)
		ctx.Request.Header.Add(fasthttp.HeaderXForwardedFor, ctx.RemoteIP().String())
		if err := client.Do(&ctx.Request, &ctx.Response); err != nil {
			ctx.Error("Bad Gateway", fasthttp.StatusBadGateway)
			return
		}
		ctx.Response.Header.Del(fasthttp.HeaderConnection)
	}
}
