package l7_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"fourseven/health"
	"fourseven/internal/testkit"
	"fourseven/internal/tlsconf"
	"fourseven/l4"
	"fourseven/l7"
)

// quiet takes what a server logs.
var quiet = log.New(io.Discard, "", 0)

// securing has a Server speak TLS to its backends, whose certificates are from the
// authority.
func securing(t testing.TB, ca *testkit.Authority) func(*l7.Server) {
	t.Helper()
	client := &tlsconf.Client{}
	own := ca.Issue(t, "fourseven")
	from := tlsconf.ClientSources{CA: tlsconf.Text{Value: ca.PEM}, Cert: tlsconf.Text{Value: own.Cert}, Key: tlsconf.Text{Value: own.Key}}
	if err := client.Set(from); err != nil {
		t.Fatal(err)
	}
	return func(s *l7.Server) { s.Dialer.TLS = &l4.BackendTLS{Client: client, On: true} }
}

// secureBackend serves the handler over TLS until the test's end, and counts connections.
func secureBackend(t testing.TB, config *tls.Config, handler http.HandlerFunc) (addr string, conns *atomic.Int32) {
	t.Helper()
	conns = new(atomic.Int32)
	srv := httptest.NewUnstartedServer(handler)
	srv.TLS = config
	srv.Config.ErrorLog = quiet
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String(), conns
}

// Pins that connections with TLS are kept and used again, in both versions, whatever the
// bodies, and that a certificate is shown to backends that demand one.
func TestBackendTLS(t *testing.T) {
	ca := testkit.NewAuthority(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		var agreed atomic.Value
		config := &tls.Config{
			Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1").TLS(t)}, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"},
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
		}
		addr, conns := secureBackend(t, config, func(w http.ResponseWriter, r *http.Request) {
			agreed.Store(r.TLS.NegotiatedProtocol + " " + r.TLS.PeerCertificates[0].Subject.CommonName + " " + r.Header.Get("X-Forwarded-Proto"))
			body, _ := io.ReadAll(r.Body)
			_, _ = w.Write(body)
		})
		p := startProxy(t, securing(t, ca), addr)
		for _, size := range []int{0, 1, 100, 1 << 20, 3} {
			body := strings.Repeat("x", size)
			resp, got := p.do(t, fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", size, body))
			if resp.StatusCode != 200 || got != body {
				t.Errorf("%d bytes: status %d, %d bytes back", size, resp.StatusCode, len(got))
			}
		}
		if n := conns.Load(); n != 1 {
			t.Errorf("%s: %d connections, want 1", tls.VersionName(version), n)
		}
		if got := agreed.Load(); got != "http/1.1 fourseven http" {
			t.Errorf("%s: the backend saw %q", tls.VersionName(version), got)
		}
	}
}

// Pins that a backend whose certificate is not valid for it gets no request, and that the
// error names the backend with its scheme.
func TestBackendTLSRefused(t *testing.T) {
	ca := testkit.NewAuthority(t)
	addr, _ := secureBackend(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "another").TLS(t)}}, func(http.ResponseWriter, *http.Request) {
		t.Error("a request came")
	})
	p := startProxy(t, securing(t, ca), addr)
	resp, body := p.do(t, post)
	if want := `{"error":"Backend server https://` + addr + ` is not healthy"}`; resp.StatusCode != 503 || strings.TrimSpace(body) != want {
		t.Errorf("%d %s, want 503 %s", resp.StatusCode, body, want)
	}
	good, _ := secureBackend(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1").TLS(t)}}, answerOK)
	p = startProxy(t, securing(t, ca), addr, good)
	for range 2 {
		if resp, _ := p.do(t, post); resp.StatusCode != 200 {
			t.Errorf("%d beside a good backend", resp.StatusCode)
		}
	}
}

// Pins that a response that ends with the connection is not complete without close_notify.
func TestBackendTLSTruncated(t *testing.T) {
	ca := testkit.NewAuthority(t)
	for _, notified := range []bool{true, false} {
		config := &tls.Config{}
		addr := scriptedBackend(t, func(nc net.Conn) {
			conn := tls.Server(nc, config)
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\nhalf of")
			if notified {
				_ = conn.CloseWrite()
			}
			_ = nc.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, nc)
		})
		config.Certificates = []tls.Certificate{ca.Issue(t, host(addr)).TLS(t)}
		p := startProxy(t, securing(t, ca), addr)
		nc := p.dial(t)
		_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); (err == nil) != notified || string(body) != "half of" {
			t.Errorf("notified %t: %q, error %v", notified, body, err)
		}
	}
}

// Pins that an upgraded connection goes on over TLS.
func TestBackendTLSUpgrade(t *testing.T) {
	ca := testkit.NewAuthority(t)
	addr, _ := secureBackend(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1").TLS(t)}}, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello ")
		_, _ = io.Copy(conn, rw)
	})
	p := startProxy(t, securing(t, ca), addr)
	nc := p.dial(t)
	_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	br := bufio.NewReader(nc)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("response %v, error %v", resp, err)
	}
	_, _ = io.WriteString(nc, "again")
	_ = nc.CloseWrite()
	if got, err := io.ReadAll(br); string(got) != "hello again" || err != nil {
		t.Errorf("%q, error %v", got, err)
	}
}

// Pins that kept connections are not used any more once the backend's entry demands TLS.
func TestBackendTLSBeginsWithTheList(t *testing.T) {
	ca := testkit.NewAuthority(t)
	var plain, secured atomic.Int32
	config := &tls.Config{}
	addr := scriptedBackend(t, func(nc net.Conn) {
		br := bufio.NewReader(nc)
		first, err := br.Peek(1)
		if err != nil {
			return
		}
		if first[0] != 0x16 {
			plain.Add(1)
			answerAll(buffered{nc, br}, plainAnswer)
			return
		}
		secured.Add(1)
		answerAll(tls.Server(buffered{nc, br}, config), plainAnswer)
	})
	config.Certificates = []tls.Certificate{ca.Issue(t, host(addr)).TLS(t)}
	p := startProxy(t, func(s *l7.Server) {
		securing(t, ca)(s)
		s.Dialer.TLS.On = false
	}, addr)
	for _, entry := range []string{addr, "https://" + addr, addr} {
		spec, err := health.ParseSpec(entry)
		if err != nil {
			t.Fatal(err)
		}
		p.Pool.Replace([]health.Spec{spec})
		for range 2 {
			if resp, _ := p.do(t, post); resp.StatusCode != 200 {
				t.Errorf("%s: %d", entry, resp.StatusCode)
			}
		}
	}
	if plain.Load() != 2 || secured.Load() != 1 {
		t.Errorf("%d plain connections and %d with TLS, want 2 and 1", plain.Load(), secured.Load())
	}
}

// buffered is a connection of which some was peeked at.
type buffered struct {
	net.Conn
	rd *bufio.Reader
}

func (c buffered) Read(p []byte) (int, error) { return c.rd.Read(p) }

func host(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	return host
}
