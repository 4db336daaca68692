package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// runDemo serves like runServer, in front of two backends of its own.
func runDemo(environ []string, stdout, stderr io.Writer) int {
	if hasBackends(environ) {
		return usageError(stderr, "LB_BACKENDS is set, but the demo brings its own backends: unset it, or run without demo")
	}
	backends, stop, err := startDemoBackends(2)
	if err != nil {
		return exitCode(err, stderr)
	}
	defer stop()
	cfg, err := loadConfig(append(environ, "LB_BACKENDS="+strings.Join(backends, ",")))
	if err != nil {
		return usageError(stderr, err.Error())
	}
	log, out := newSink(stderr, cfg.LogFormat), newSink(stdout, cfg.LogFormat)
	defer log.close()
	defer out.close()
	ready := func(on addrs) { // below what the log says until then
		time.AfterFunc(2*logGap, func() { printDemo(out, backends, on) })
	}
	return exitCode(newInstance(&cfg, log).run(ready), log)
}

// startDemoBackends starts n HTTP servers on loopback ports that the kernel
// chooses. Each says on / which one it is, and on /health that it is well.
func startDemoBackends(n int) (addrs []string, stop func(), err error) {
	var servers []*http.Server
	stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		for _, s := range servers {
			_ = s.Shutdown(ctx)
		}
	}
	for i := range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			stop()
			return nil, nil, fmt.Errorf("start a demo backend: %w", err)
		}
		s := &http.Server{Handler: demoBackend(i + 1), ReadHeaderTimeout: 5 * time.Second}
		servers = append(servers, s)
		addrs = append(addrs, ln.Addr().String())
		go func() { _ = s.Serve(ln) }() // ends with stop
	}
	return addrs, stop, nil
}

func demoBackend(number int) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "backend %d\n", number)
	})
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	return mux
}

func printDemo(w io.Writer, backends []string, on addrs) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	p("")
	p("fourseven demo: two backends in this process, %s", strings.Join(backends, " and "))
	var try []string
	if on.l7 != nil {
		p("  L7 (HTTP)  http://%s", dialable(on.l7))
		try = append(try, "for i in 1 2 3 4; do curl -s http://"+dialable(on.l7)+"/; done")
	}
	if on.l4 != nil {
		p("  L4 (TCP)   %s", dialable(on.l4))
		try = append(try, "for i in 1 2 3 4; do curl -s http://"+dialable(on.l4)+"/; done   # any TCP protocol: here HTTP, untouched")
	}
	if on.admin != nil {
		p("  admin      http://%s/   (a page to watch and steer it)", dialable(on.admin))
	}
	p("Try in another terminal:")
	for _, command := range try {
		p("  %s", command)
	}
	p("Ctrl-C ends it.")
	p("")
}

// dialable returns what a client on this machine dials to reach the listener.
func dialable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
