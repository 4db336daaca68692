// Package demo has the backends of "fourseven demo", and the text that says what to
// try with them.
package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"fourseven/internal/instance"
)

// StartBackends starts n HTTP servers on loopback ports that the kernel
// chooses. Each answers / with
// its number, and /health with ok. They end with stop.
func StartBackends(n int) (addrs []string, stop func(), err error) {
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
		s := &http.Server{Handler: Backend(i + 1), ReadHeaderTimeout: 5 * time.Second}
		servers = append(servers, s)
		addrs = append(addrs, ln.Addr().String())
		go func() { _ = s.Serve(ln) }() // ends with stop
	}
	return addrs, stop, nil
}

// Backend answers / with its number, and /health with ok.
func Backend(number int) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "backend %d\n", number)
	})
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	return mux
}

// Print writes the addresses that are served, and the commands to try.
func Print(w io.Writer, backends []string, on instance.Addrs) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	p("")
	p("fourseven demo: two backends in this process, %s", strings.Join(backends, " and "))
	var try []string
	if on.L7 != nil {
		p("  L7 (HTTP)  http://%s", dialable(on.L7))
		try = append(try, "for i in 1 2 3 4; do curl -s http://"+dialable(on.L7)+"/; done")
	}
	if on.L4 != nil {
		p("  L4 (TCP)   %s", dialable(on.L4))
		try = append(try, "for i in 1 2 3 4; do curl -s http://"+dialable(on.L4)+"/; done   # any TCP protocol: here HTTP, untouched")
	}
	if on.Admin != nil {
		p("  admin      http://%s/   (a page to watch and steer it)", dialable(on.Admin))
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
