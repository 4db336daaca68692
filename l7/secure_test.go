package l7_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fourseven/internal/testkit"
	"fourseven/l4"
	"fourseven/l7"
)

// secured is a proxy that ends TLS, and what its clients need.
type secured struct {
	*proxy
	ca     *testkit.Authority
	client *tls.Config
}

func startSecured(t testing.TB, configure func(*l7.Server), backends ...string) *secured {
	t.Helper()
	ca := testkit.NewAuthority(t)
	pair := ca.Issue(t, "lb.example.com").TLS(t)
	p := startProxy(t, func(s *l7.Server) {
		s.TLS = &l4.TLSServer{Config: &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}}
		if configure != nil {
			configure(s)
		}
	}, backends...)
	return &secured{p, ca, &tls.Config{RootCAs: ca.Pool(), ServerName: "lb.example.com"}}
}

func (p *secured) dialTLS(t testing.TB) *tls.Conn {
	t.Helper()
	conn := tls.Client(p.dial(t), p.client)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	return conn
}

// doTLS sends raw bytes over a connection of its own and reads one response.
func (p *secured) doTLS(t testing.TB, raw string) (*http.Response, string) {
	t.Helper()
	conn := p.dialTLS(t)
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	return readResponse(t, bufio.NewReader(conn), raw)
}

// Pins the fields about TLS that a backend gets, and that a client cannot set them.
func TestTLSIsStated(t *testing.T) {
	backend := httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %q", r.Header.Get("X-Forwarded-Proto"), r.Header["X-Client-Cert-Cn"])
		if r.Header["X_client_cert_cn"] != nil {
			_, _ = io.WriteString(w, " a lookalike")
		}
	})
	const spoof = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: gopher\r\nX-Client-Cert-CN: admin\r\nx_client_cert_cn: admin\r\n\r\n"
	plain := startProxy(t, nil, backend)
	if _, body := plain.do(t, spoof); body != `http []` {
		t.Errorf("without TLS: %s", body)
	}
	p := startSecured(t, nil, backend)
	if _, body := p.doTLS(t, spoof); body != `https []` {
		t.Errorf("with TLS: %s", body)
	}
	mutual := startSecured(t, func(s *l7.Server) { s.TLS.Config.ClientAuth = tls.RequestClientCert }, backend)
	other := testkit.NewAuthority(t).Issue(t, "admin").TLS(t)
	mutual.client.Certificates = []tls.Certificate{other}
	if _, body := mutual.doTLS(t, spoof); body != `https []` {
		t.Errorf("with a certificate that is not verified: %s", body)
	}
	ca := testkit.NewAuthority(t)
	verified := startSecured(t, func(s *l7.Server) {
		s.TLS.Config.ClientAuth, s.TLS.Config.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
		s.TrustedProxies.Networks = loopback // not even these
	}, backend)
	verified.client.Certificates = []tls.Certificate{ca.Issue(t, "alice\r\nEvil: 1").TLS(t)}
	if _, body := verified.doTLS(t, spoof); body != `gopher ["alice??Evil: 1"]` {
		t.Errorf("with a verified certificate: %s", body)
	}
}

// Pins that many requests, bodies larger than any buffer and pipelined requests get
// through one connection, and are recorded with their TLS.
func TestTLSRequests(t *testing.T) {
	backend := httpBackend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
	recordc := make(chan l4.TLSInfo, 100)
	p := startSecured(t, func(s *l7.Server) { s.Served = func(r *l7.Record) { recordc <- *r.TLS } }, backend)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: p.client}, Timeout: patience}
	defer client.CloseIdleConnections()
	for _, size := range []int{0, 1, 16 << 10, 3 << 20} {
		sent := bytes.Repeat([]byte("x"), size)
		resp, err := client.Post("https://"+p.addr, "text/plain", bytes.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes of %d came back, %v", len(got), size, err)
		}
		if info := <-recordc; info.Version != "1.3" || info.ServerName != "lb.example.com" || info.Protocol != "" {
			t.Errorf("recorded as %+v", info)
		}
	}
	if n := p.Stats().Connections; n != 1 {
		t.Errorf("%d connections, want one", n)
	}
	conn := p.dialTLS(t)
	const n = 20
	_, _ = io.WriteString(conn, strings.Repeat(get, n))
	br := bufio.NewReader(conn)
	for range n {
		if resp, _ := readResponse(t, br, get); resp.StatusCode != 200 {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
}

// Pins that a request cut by anybody on the way is not taken for a whole one, and that a
// FIN without close_notify between two requests is no error.
func TestTLSTruncatedRequest(t *testing.T) {
	var whole atomic.Int32
	backend := scriptedBackend(t, func(nc net.Conn) {
		req, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil {
			return
		}
		if _, err = io.Copy(io.Discard, req.Body); err == nil {
			whole.Add(1)
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		}
	})
	closedc := make(chan l4.Ending, 10)
	p := startSecured(t, func(s *l7.Server) { s.Ended = func(c l7.Closing) { closedc <- c.Reason } }, backend)
	conn := p.dialTLS(t)
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	_ = conn.NetConn().(*net.TCPConn).CloseWrite()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("there is a response to a request that was cut")
	}
	if why := <-closedc; why != l4.ClientReset {
		t.Errorf("ended by %s", why)
	}
	conn = p.dialTLS(t)
	_, _ = io.WriteString(conn, get)
	readResponse(t, bufio.NewReader(conn), get)
	_ = conn.NetConn().Close()
	if why := <-closedc; why != l4.EOF {
		t.Errorf("a FIN between two requests ended it by %s", why)
	}
	if n := whole.Load(); n != 1 {
		t.Errorf("%d whole requests, want 1", n)
	}
}

// Pins that the end of a response that only the end of the stream shows is a close_notify.
func TestTLSResponseUntilTheEnd(t *testing.T) {
	backend := rawBackend(t, "HTTP/1.1 200 OK\r\n\r\nuntil the end")
	p := startSecured(t, nil, backend)
	conn := p.dialTLS(t)
	_, _ = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	got, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(got), "\r\n\r\nuntil the end") {
		t.Errorf("got %q, %v", got, err)
	}
	if n, err := conn.NetConn().Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("behind close_notify: %d bytes, %v", n, err)
	}
}

// Pins that upgraded connections are relayed through TLS.
func TestTLSUpgrade(t *testing.T) {
	backend := scriptedBackend(t, func(nc net.Conn) {
		br := bufio.NewReader(nc)
		if _, err := http.ReadRequest(br); err != nil {
			return
		}
		_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(nc, br)
	})
	p := startSecured(t, nil, backend)
	conn := p.dialTLS(t)
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly")
	br := bufio.NewReader(conn)
	if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != 101 {
		t.Fatalf("response %v, %v", resp, err)
	}
	_, _ = io.WriteString(conn, " and later")
	got := make([]byte, len("early and later"))
	if _, err := io.ReadFull(br, got); err != nil || string(got) != "early and later" {
		t.Errorf("echoed %q, %v", got, err)
	}
}

// Pins that a client that speaks plain HTTP gets an error response, and that the connection
// of one that sends nothing is closed as it is without TLS.
func TestTLSWithoutHandshake(t *testing.T) {
	backend := httpBackend(t, func(http.ResponseWriter, *http.Request) {})
	closedc := make(chan l4.Ending, 10)
	p := startSecured(t, func(s *l7.Server) {
		s.HeaderTimeout = 2 * time.Second
		s.Ended = func(c l7.Closing) { closedc <- c.Reason }
	}, backend)
	plain := p.dial(t)
	_, _ = io.WriteString(plain, get)
	if resp, body := readResponse(t, bufio.NewReader(plain), get); resp.StatusCode != 400 || body != `{"error":"Client sent an HTTP request to an HTTPS server"}` {
		t.Errorf("plain HTTP: %d %s", resp.StatusCode, body)
	}
	_ = plain.Close()
	if why := <-closedc; why != l4.TLSHandshake {
		t.Errorf("ended by %s", why)
	}
	_ = p.dial(t).Close()
	if why := <-closedc; why != l4.EOF {
		t.Errorf("a probe of the port ended by %s", why)
	}
	silent := p.dial(t)
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("a silent client got something")
	}
	if why := <-closedc; why != l4.Idle {
		t.Errorf("a silent client ended by %s", why)
	}
}

// Pins that idle clients of TLS get close_notify in a drain: their streams are complete.
func TestTLSDrain(t *testing.T) {
	backend := httpBackend(t, func(http.ResponseWriter, *http.Request) {})
	p := startSecured(t, nil, backend)
	conn := p.dialTLS(t)
	_, _ = io.WriteString(conn, get)
	br := bufio.NewReader(conn)
	readResponse(t, br, get)
	go func() { _ = p.Shutdown(t.Context()) }()
	if n, err := br.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d bytes, %v", n, err)
	}
	if n, err := conn.NetConn().Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("behind close_notify: %d bytes, %v", n, err)
	}
	_ = conn.Close()
}

// Pins where requests are redirected to, and that connections are kept.
func TestRedirect(t *testing.T) {
	tests := []struct {
		name, request string
		port, status  int
		location      string
	}{
		{"path and query", "GET /a/b?c=d&e=%20f HTTP/1.1\r\nHost: example.com\r\n\r\n", 8443, 308, "https://example.com/a/b?c=d&e=%20f"},
		{"another port", "GET / HTTP/1.1\r\nHost: example.com:8080\r\n\r\n", 8443, 308, "https://example.com:8443/"},
		{"port 443", "GET / HTTP/1.1\r\nHost: example.com:8080\r\n\r\n", 443, 308, "https://example.com/"},
		{"IPv6", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 8443, 308, "https://[::1]:8443/"},
		{"IPv6 without a port", "GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n", 8443, 308, "https://[::1]/"},
		{"absolute target", "GET http://b.example.com/x HTTP/1.1\r\nHost: a\r\n\r\n", 8443, 308, "https://b.example.com/x"},
		{"POST", "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 8443, 308, "https://a/x"},
		{"HEAD", "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", 8443, 308, "https://a/x"},
		{"OPTIONS of the server", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 8443, 308, "https://a/"},
		{"HTTP/1.0", "GET /x HTTP/1.0\r\nHost: a\r\n\r\n", 8443, 308, "https://a/x"},
		{"no Host", "GET /x HTTP/1.0\r\n\r\n", 8443, 400, ""},
		{"bad request", "GET /x HTTP/1.1\r\n\r\n", 8443, 400, ""},
	}
	redirecting := map[int]*proxy{}
	for _, port := range []int{443, 8443} {
		s, ln := newServer(), testkit.Listen(t)
		donec := make(chan struct{})
		go func() { defer close(donec); _ = s.ServeRedirect(ln, port) }()
		t.Cleanup(func() { _ = s.Shutdown(context.Background()); <-donec })
		redirecting[port] = &proxy{s, ln.Addr().String()}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := redirecting[tt.port]
			resp, _ := p.do(t, tt.request)
			if resp.StatusCode != tt.status || resp.Header.Get("Location") != tt.location || resp.Header.Get("Date") == "" {
				t.Errorf("%d %q, want %d %q", resp.StatusCode, resp.Header, tt.status, tt.location)
			}
		})
	}
	conn := redirecting[443].dial(t)
	br := bufio.NewReader(conn)
	for range 3 {
		_, _ = io.WriteString(conn, get)
		readResponse(t, br, get)
	}
	_ = conn.Close()
}
