package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// serveTCP gives each connection to the function, and closes it after.
func serveTCP(t *testing.T, serve func(net.Conn)) *Backend {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				serve(conn)
			}()
		}
	}()
	return NewBackend(ln.Addr().String())
}

// says answers what was asked, in pieces.
func says(pieces ...string) func(net.Conn) {
	return func(conn net.Conn) {
		_ = conn.(*net.TCPConn).SetNoDelay(true)
		for _, piece := range pieces {
			_, _ = io.WriteString(conn, piece)
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}
}

func TestExchangeProbe(t *testing.T) {
	tests := []struct {
		name         string
		serve        func(net.Conn)
		send, expect string
		err          string
	}{
		{"the prefix of a line", says("+PONG\r\n"), "PING\r\n", "+PONG", ""},
		{"in pieces", says("+", "PO", "NG"), "PING\r\n", "+PONG", ""},
		{"a banner", says("220 mail ESMTP\r\n"), "", "220 ", ""},
		{"nothing expected", says(), "\x00\x01", "", ""},
		{"another answer", says("-NOAUTH Authentication required.\r\n"), "PING\r\n", "+PONG", `expected "+PONG", got "-NOAU"`},
		{"the end too soon", says("+PO"), "PING\r\n", "+PONG", `expected "+PONG", got "+PO" and the end`},
		{"nothing", says(), "PING\r\n", "+PONG", `expected "+PONG", got "" and the end`},
		{"silence", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, "PING\r\n", "+PONG", "context deadline exceeded"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := serveTCP(t, tt.serve)
			timeout := testkit.Patience
			if tt.name == "silence" {
				timeout = 500 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			err := exchangeProbe([]byte(tt.send), []byte(tt.expect), Via{})(ctx, b)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if got, want := fmt.Sprint(because(err)...), "LB_HEALTH_PROXY"; strings.Contains(got, want) != (tt.name == "nothing") {
				t.Errorf("logged %s; want %s where nothing came", got, want)
			}
		})
	}
}

// Pins that a backend which does not answer in time is told from one that answers
// wrong, and that the error says what was waited for.
func TestExchangeProbeTimeout(t *testing.T) {
	b := serveTCP(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	c := &Checker{Probe: exchangeProbe(nil, []byte("220 "), Via{}), Timeout: 500 * time.Millisecond}
	r := c.probe(t.Context(), b)
	if !errors.Is(r.err, context.DeadlineExceeded) || !strings.Contains(r.err.Error(), `no answer within 500ms: expected "220 ", got ""`) {
		t.Errorf("error %v", r.err)
	}
}

// Pins that a TLS probe makes a handshake with a certificate nobody knows, that it
// is not fooled by an open port, and that the rest of the probe goes through TLS.
func TestTLSProbes(t *testing.T) {
	var named string
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		named = r.TLS.ServerName
		w.WriteHeader(http.StatusNoContent)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	b := NewBackend(srv.Listener.Addr().String())
	plain := backendOf(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	is204 := func(status int) bool { return status == http.StatusNoContent }
	via := Via{TLS: unverified}
	probes := map[string]Probe{
		"tcp":      TCPProbe(via),
		"http":     httpProbe("/health", is204, via),
		"exchange": exchangeProbe([]byte("GET / HTTP/1.0\r\n\r\n"), []byte("HTTP/1.0 204"), via),
	}
	for name, probe := range probes {
		if err := probe(t.Context(), b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := probe(t.Context(), plain); err == nil || !strings.Contains(err.Error(), "(tls_handshake): the backend does not speak TLS") {
			t.Errorf("%s to a backend without TLS: %v", name, err)
		}
	}
	if err := httpProbe("/", is204, Via{})(t.Context(), b); err == nil {
		t.Error("a probe without TLS passed")
	}
	_, port, _ := net.SplitHostPort(b.Addr)
	if err := httpProbe("/", is204, via)(t.Context(), namedBackend("localhost:"+port, b.Addr)); err != nil || named != "localhost" {
		t.Errorf("the server was named %q, want localhost: %v", named, err)
	}
	known := &hostname{families: [2]family{{addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}}}
	answer := answer{hosts: map[string]*hostname{"web.example": known}}
	web := answer.backends(Entry{kind: host, name: "web.example", port: port}, nil).specs[0].Backend()
	if err := httpProbe("/", is204, via)(t.Context(), web); err != nil || named != "web.example" {
		t.Errorf("a server that was found by its name was named %q: %v", named, err)
	}
}

// Pins that a server that takes the connection and never shakes hands is not up.
func TestTLSProbeTimeout(t *testing.T) {
	b := serveTCP(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := TCPProbe(Via{TLS: unverified})(ctx, b); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}
