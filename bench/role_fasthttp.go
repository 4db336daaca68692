package main

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// serveFasthttp serves a reverse proxy at args[0] to the backends that follow.
func serveFasthttp(args []string) error {
	if len(args) < 2 {
		return errors.New("fasthttp: expected an address to listen on and the backends")
	}
	server := &fasthttp.Server{
		Handler:               newFasthttpProxy(args[1:]),
		ReadTimeout:           time.Minute,
		IdleTimeout:           time.Minute,
		NoDefaultServerHeader: true,
	}
	return server.ListenAndServe(args[0])
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
