package l4

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"

	"fourseven/health"
	"fourseven/internal/testkit"
	"fourseven/internal/tlsconf"
)

// toBackends returns how TLS is spoken to backends whose certificates are from the
// authority.
func toBackends(t testing.TB, ca *testkit.Authority) *BackendTLS {
	t.Helper()
	client := &tlsconf.Client{}
	if err := client.Set(tlsconf.ClientSources{CA: tlsconf.Text{Value: ca.PEM}}); err != nil {
		t.Fatal(err)
	}
	return &BackendTLS{Client: client, On: true}
}

// securing makes a backend of a function on the connections' plain bytes.
func securing(config *tls.Config, serve func(*tls.Conn)) func(*net.TCPConn) {
	return func(conn *net.TCPConn) {
		secured := tls.Server(conn, config)
		if secured.Handshake() == nil {
			serve(secured)
		}
	}
}

// echoTLS sends back what comes until the stream ends, and then ends its own.
func echoTLS(conn *tls.Conn) {
	_, _ = io.Copy(conn, struct{ io.Reader }{conn})
	_ = conn.CloseWrite()
}

// Pins that bytes go through TLS to the backend both ways, with a half-close, and are
// counted as plain ones.
func TestBackendTLSMovesBytes(t *testing.T) {
	ca := testkit.NewAuthority(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1").TLS(t)}, MaxVersion: version}
		srv := &Server{Dialer: &Dialer{Timeout: wait, TLS: toBackends(t, ca)}}
		p := start(t, srv, backend(t, securing(config, echoTLS)))
		conn := p.dial(t)
		sent := random(3<<20 + 7)
		go func() { _, _ = conn.Write(sent); _ = conn.CloseWrite() }()
		got, err := io.ReadAll(conn)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s: %d of %d bytes, error %v", tls.VersionName(version), len(got), len(sent), err)
		}
		if rec := p.wantEnding(t, EOF); rec.Received != int64(len(sent)) || rec.Sent != int64(len(sent)) {
			t.Errorf("%s: record %+v", tls.VersionName(version), rec)
		}
	}
}

// Pins that a connection that TLS comes to and leaves through keeps its protocol.
func TestBackendTLSBehindTLS(t *testing.T) {
	ca := testkit.NewAuthority(t)
	pair := ca.Issue(t, "127.0.0.1").TLS(t)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}}
	agreed := make(chan string, 1)
	b := backend(t, securing(config, func(conn *tls.Conn) {
		agreed <- conn.ConnectionState().NegotiatedProtocol
		echoTLS(conn)
	}))
	srv := &Server{Dialer: &Dialer{Timeout: wait, TLS: toBackends(t, ca)}, TLS: &TLSServer{Config: config}}
	p := start(t, srv, b)
	conn := secureClient(t, p, &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1", NextProtos: []string{"h2"}})
	exchange(t, conn, "through both")
	_ = conn.CloseWrite()
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("error %v, want the end", err)
	}
	if got := <-agreed; got != "h2" {
		t.Errorf("the backend was asked for %q, want h2", got)
	}
	p.wantEnding(t, EOF)
}

// Pins that a backend that cannot show who it is gets nothing, that another one is tried,
// and that the cause is logged.
func TestBackendTLSRefused(t *testing.T) {
	ca := testkit.NewAuthority(t)
	serve := func(pair testkit.Pair) func(*net.TCPConn) {
		return securing(&tls.Config{Certificates: []tls.Certificate{pair.TLS(t)}}, func(conn *tls.Conn) {
			_, _ = conn.Write([]byte("good"))
			_ = conn.CloseWrite()
		})
	}
	good := ca.Issue(t, "127.0.0.1")
	for _, tt := range []struct {
		name  string
		serve func(*net.TCPConn)
		cause string
	}{
		{"another authority", serve(testkit.NewAuthority(t).Issue(t, "127.0.0.1")), "certificate signed by unknown authority"},
		{"another name", serve(ca.Issue(t, "db1")), "doesn't contain any IP SANs"},
		{"expired", serve(ca.IssueUntil(t, time.Now().Add(-time.Hour), "127.0.0.1")), "certificate has expired"},
		{"no TLS", func(conn *net.TCPConn) { _, _ = conn.Write([]byte("220 hello")); _, _ = io.Copy(io.Discard, conn) }, "the backend does not speak TLS"},
		{"closes", func(conn *net.TCPConn) { _, _ = conn.Read(make([]byte, 1<<10)) }, ""}, // an end or a reset
		{"silent", func(conn *net.TCPConn) { _, _ = io.Copy(io.Discard, conn) }, "timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			secure := toBackends(t, ca)
			secure.Logger = slog.New(slog.NewTextHandler(&log, nil))
			timeout := wait
			if tt.name == "silent" {
				timeout = 200 * time.Millisecond
			}
			bad := backend(t, tt.serve)
			srv := &Server{Retries: 1, Dialer: &Dialer{Timeout: timeout, TLS: secure}}
			p := start(t, srv, bad, backend(t, serve(good)))
			for range 2 { // one of them begins with the bad one
				if got := ask(t, p); got != "good" {
					t.Errorf("got %q", got)
				}
				p.wantEnding(t, EOF)
			}
			if n := bad.Failures(health.TLSHandshake); n != 1 {
				t.Errorf("%d failed handshakes, want 1", n)
			}
			_ = p.stop(t.Context())
			if text := log.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, tt.cause) {
				t.Errorf("no %q in the log: %s", tt.cause, text)
			}
		})
	}
}

// Pins that the PROXY header comes before TLS, as HAProxy's send-proxy has it.
func TestBackendTLSBehindProxyHeader(t *testing.T) {
	ca := testkit.NewAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1").TLS(t)}}
	for _, version := range []byte{1, 2} {
		named := make(chan net.Addr, 1)
		b := backend(t, func(conn *net.TCPConn) {
			rd := bufio.NewReader(conn)
			header, err := proxyproto.Read(rd)
			if err != nil {
				return
			}
			named <- header.SourceAddr
			echoTLS(tls.Server(readAhead{conn, rd}, config))
		})
		srv := &Server{SendProxy: version, Dialer: &Dialer{Timeout: wait, TLS: toBackends(t, ca)}}
		p := start(t, srv, b)
		conn := p.dial(t)
		select {
		case got := <-named:
			if got.String() != conn.LocalAddr().String() {
				t.Errorf("v%d names %s, want %s", version, got, conn.LocalAddr())
			}
		case <-time.After(wait):
			t.Fatal("no header")
		}
		exchange(t, conn, "behind the header")
	}
}

// readAhead is a connection of which more was read.
type readAhead struct {
	net.Conn
	rd io.Reader
}

func (c readAhead) Read(p []byte) (int, error) { return c.rd.Read(p) }

// Pins that a backend's stream that is cut, without a close_notify, does not look
// complete.
func TestBackendTLSTruncated(t *testing.T) {
	ca := testkit.NewAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1").TLS(t)}}
	srv := &Server{Dialer: &Dialer{Timeout: wait, TLS: toBackends(t, ca)}}
	p := start(t, srv, backend(t, securing(config, func(conn *tls.Conn) {
		_, _ = io.ReadFull(conn, make([]byte, 2)) // a reset before connect returns would fail it
		_, _ = conn.Write([]byte("half of"))
		_ = conn.NetConn().(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	})))
	client := p.dial(t)
	_, _ = io.WriteString(client, "go")
	wantReset(t, client, "half of")
	p.wantEnding(t, BackendReset)
}

// Pins that TLS is spoken only to backends whose entry demands it, unless all are to have
// it.
func TestBackendTLSOfSome(t *testing.T) {
	ca := testkit.NewAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1").TLS(t)}}
	secured := backend(t, securing(config, func(conn *tls.Conn) { _, _ = conn.Write([]byte("secured")); _ = conn.CloseWrite() }))
	plain := backend(t, named("plain"))
	spec, err := health.ParseSpec("tls://" + secured.Addr)
	if err != nil {
		t.Fatal(err)
	}
	secure := toBackends(t, ca)
	secure.On = false
	p := start(t, &Server{Dialer: &Dialer{Timeout: wait, TLS: secure}}, spec.Backend(), plain)
	if got := []string{ask(t, p), ask(t, p)}; strings.Join(got, " ") != "secured plain" {
		t.Errorf("got %q", got)
	}
}

// Pins that the end of the server ends a handshake with a backend.
func TestBackendTLSCut(t *testing.T) {
	reached := make(chan bool, 1)
	srv := &Server{Dialer: &Dialer{TLS: toBackends(t, testkit.NewAuthority(t))}} // without a time-out
	p := start(t, srv, backend(t, func(conn *net.TCPConn) { reached <- true; _, _ = io.Copy(io.Discard, conn) }))
	p.dial(t)
	<-reached
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = p.stop(ctx)
	p.wantEnding(t, Drain)
}
