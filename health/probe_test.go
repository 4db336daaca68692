package health

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"fourseven/internal/testkit"
)

func backendOf(t *testing.T, h http.HandlerFunc) *Backend {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return NewBackend(srv.Listener.Addr().String())
}

func only200(status int) bool { return status == 200 }

func TestHTTPProbe(t *testing.T) {
	b := backendOf(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health":
			_, _ = w.Write([]byte("ok"))
		case "/moved":
			http.Redirect(w, r, "/health", http.StatusFound)
		case "/hang":
			<-r.Context().Done()
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	tests := []struct{ path, err string }{
		{"/health", ""},
		{"/moved", "GET /moved: status 302"},
		{"/other", "GET /other: status 503"},
		{"/hang", context.DeadlineExceeded.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			timeout := testkit.Patience
			if tt.path == "/hang" {
				timeout = 200 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			err := httpProbe(tt.path, only200, Via{})(ctx, b)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestTCPProbeNamesTheReason(t *testing.T) {
	ln := testkit.Listen(t)
	b := NewBackend(ln.Addr().String())
	if err := TCPProbe(Via{})(t.Context(), b); err != nil {
		t.Errorf("a listening backend: %v", err)
	}
	_ = ln.Close()
	var dial *DialError
	if err := TCPProbe(Via{})(t.Context(), b); !errors.As(err, &dial) || dial.Reason != Refused {
		t.Errorf("a closed port: %v, want the reason %s", err, Refused)
	}
}

func TestProbePort(t *testing.T) {
	other := backendOf(t, func(http.ResponseWriter, *http.Request) {})
	port := netPort(t, other.Addr)
	b := NewBackend("127.0.0.1:1") // nothing listens there
	if err := httpProbe("/", only200, Via{Port: port})(t.Context(), b); err != nil {
		t.Errorf("http: %v", err)
	}
	if err := TCPProbe(Via{Port: port})(t.Context(), b); err != nil {
		t.Errorf("tcp: %v", err)
	}
}

func netPort(t *testing.T, addr string) int {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return a.Port
}

// Pins the PROXY header of a probe, and that it comes before a TLS handshake.
func TestProbeBeginsWithProxyHeader(t *testing.T) {
	for _, via := range []Via{{}, {Proxy: 1}, {Proxy: 2}, {Proxy: 2, TLS: unverified}} {
		got := make(chan *proxyproto.Header, 1)
		b := serveTCP(t, func(conn net.Conn) {
			header, _ := proxyproto.Read(bufio.NewReader(conn))
			if header != nil && header.Version == 1 && header.SourceAddr.String() != conn.RemoteAddr().String() {
				t.Errorf("v1 names %s, want %s", header.SourceAddr, conn.RemoteAddr())
			}
			got <- header
		})
		_ = TCPProbe(via)(t.Context(), b) // the backend closes the connection: it may fail
		header := <-got
		if (header == nil) != (via.Proxy == 0) || header != nil && header.Version != via.Proxy || via.Proxy == 2 && !header.Command.IsLocal() {
			t.Errorf("%+v: got the header %+v", via, header)
		}
	}
}

// httpProbe is a probe by GET.
func httpProbe(path string, accepts func(status int) bool, via Via) Probe {
	return HTTP{Path: path, Accepts: accepts, Via: via}.Probe
}

func exchangeProbe(send, expect []byte, via Via) Probe {
	return Exchange{Send: send, Expect: expect, Via: via}.Probe
}

// unverified is the handshake of a probe of a backend whose traffic is not looked into.
func unverified(t Target) *Handshake {
	return &Handshake{Config: &tls.Config{ServerName: t.Host, InsecureSkipVerify: true}}
}
