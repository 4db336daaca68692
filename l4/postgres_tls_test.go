package l4

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// pgServer answers an SSLRequest and then echoes over TLS; in plain text it echoes what
// comes first.
func pgServer(config *tls.Config) func(*net.TCPConn) {
	return func(conn *net.TCPConn) {
		var request [8]byte
		if _, err := io.ReadFull(conn, request[:]); err != nil {
			return
		}
		if string(request[:]) != pgMessage(pgSSLRequest, "") {
			_, _ = conn.Write(request[:])
			echo(conn)
			return
		}
		_, _ = conn.Write([]byte{'S'})
		securing(config, echoTLS)(conn)
	}
}

// pgSecured asks for TLS as libpq does, and shakes hands.
func pgSecured(t *testing.T, conn net.Conn, config *tls.Config) *tls.Conn {
	t.Helper()
	_, _ = io.WriteString(conn, pgMessage(pgSSLRequest, ""))
	if answer := pgAnswer(t, conn); answer != "S" {
		t.Fatalf("answer %q, want S", answer)
	}
	secured := tls.Client(conn, config)
	if err := secured.Handshake(); err != nil {
		t.Fatal(err)
	}
	return secured
}

// pgAnswer reads one byte.
func pgAnswer(t *testing.T, conn net.Conn) string {
	t.Helper()
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		t.Fatal(err)
	}
	return string(answer[:])
}

// Pins TLS that is asked for on either side, and direct TLS, through which bytes go; with
// and without TLS to the backend.
func TestPostgresTLS(t *testing.T) {
	ca := testkit.NewAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1").TLS(t)}, NextProtos: postgresProtocols}
	client := &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1"}
	secure := toBackends(t, ca)
	secure.Postgres = true
	for name, srv := range map[string]*Server{
		"both sides":    {Dialer: &Dialer{Timeout: wait, TLS: secure}},
		"client's side": {},
	} {
		t.Run(name, func(t *testing.T) {
			srv.TLS = &TLSServer{Config: config, Postgres: true}
			p := start(t, srv, backend(t, pgServer(config)))
			conn := pgSecured(t, p.dial(t), client)
			exchange(t, conn, "a startup packet")
			_ = conn.Close()
			p.wantEnding(t, EOF)

			direct := client.Clone()
			direct.NextProtos = postgresProtocols
			conn = tls.Client(p.dial(t), direct)
			exchange(t, conn, "without asking")
			_ = conn.Close()
			if rec := p.wantEnding(t, EOF); rec.TLS.Protocol != "postgresql" {
				t.Errorf("protocol %q", rec.TLS.Protocol)
			}

			cancel := pgMessage(pgCancelRequest, "12345678")
			plain := p.dial(t)
			exchange(t, plain, cancel)
			_ = plain.Close()
			p.wantEnding(t, EOF)
		})
	}
}

// Pins that clients are refused that do not want TLS, in a way that they can read, and
// direct TLS that may be meant for another protocol.
func TestPostgresTLSRefuses(t *testing.T) {
	ca := testkit.NewAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1").TLS(t)}, NextProtos: postgresProtocols}
	results := make(chan Handshake, 10)
	srv := &Server{TLS: &TLSServer{Config: config, Postgres: true, Timeout: wait, Shaken: func(h Handshake) { results <- h }}}
	p := start(t, srv, backend(t, func(*net.TCPConn) { t.Error("a connection came to the backend") }))
	for name, sent := range map[string]string{
		"plain": pgMessage(pgVersion3, "user\x00me\x00\x00"), "early": pgMessage(pgSSLRequest, "") + "\x16\x03\x01", "other": "GET / HTTP/1.1\r\n\r\n",
	} {
		conn := p.dial(t)
		_, _ = io.WriteString(conn, sent)
		got, err := io.ReadAll(conn)
		if err != nil || !bytes.HasPrefix(got, []byte("E")) || !bytes.HasSuffix(got, []byte{0, 0}) {
			t.Errorf("%s: answer %q, error %v", name, got, err)
		}
		_ = conn.Close()
		p.wantEnding(t, TLSHandshake)
		if h := <-results; h != HandshakeFailed {
			t.Errorf("%s: %s", name, h)
		}
	}
	conn := tls.Client(p.dial(t), &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1"})
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("direct TLS without the protocol was taken")
	}
	p.wantEnding(t, TLSHandshake)
	_ = p.dial(t).Close() // a probe of the port
	p.wantEnding(t, EOF)
}

// Pins that a client that stops in the middle of its first messages is given up.
func TestPostgresTLSTimeout(t *testing.T) {
	ca := testkit.NewAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1").TLS(t)}}
	srv := &Server{TLS: &TLSServer{Config: config, Postgres: true, Timeout: 100 * time.Millisecond}}
	p := start(t, srv, refusing(t))
	for _, sent := range []string{"", "\x00\x00", pgMessage(pgGSSRequest, ""), pgMessage(pgSSLRequest, ""), pgMessage(pgVersion3, "user\x00me\x00\x00")[:12]} {
		_, _ = io.WriteString(p.dial(t), sent)
		p.wantEnding(t, TLSHandshake)
	}
}

// Pins that clients that ask for TLS are told that there is none, where it begins behind
// the listener, and go on in plain text.
func TestPostgresTLSToBackendAlone(t *testing.T) {
	ca := testkit.NewAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1").TLS(t)}, NextProtos: postgresProtocols}
	secure := toBackends(t, ca)
	secure.Postgres = true
	p := start(t, &Server{Postgres: true, Dialer: &Dialer{Timeout: wait, TLS: secure}}, backend(t, pgServer(config)))
	for _, code := range []uint32{pgSSLRequest, pgGSSRequest, 0} {
		conn := p.dial(t)
		if code != 0 {
			_, _ = io.WriteString(conn, pgMessage(code, ""))
			if answer := pgAnswer(t, conn); answer != "N" {
				t.Fatalf("answer %q, want N", answer)
			}
		}
		exchange(t, conn, pgMessage(pgVersion3, "user\x00me\x00\x00"))
		_ = conn.Close()
		p.wantEnding(t, EOF)
	}
	_ = p.dial(t).Close()
	p.wantEnding(t, EOF)
}
