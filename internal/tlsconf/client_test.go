package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// shake makes a handshake with a server, and returns the client's state.
func shake(t *testing.T, client, server *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	ln := testkit.Listen(t)
	donec := make(chan struct{})
	go func() {
		defer close(donec)
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(testkit.Patience))
		_, _ = tls.Server(conn, server).Write([]byte("x")) // behind the session's ticket
		_, _ = conn.Read(make([]byte, 1))
	}()
	defer func() { <-donec }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(testkit.Patience))
	c := tls.Client(conn, client)
	if err = c.Handshake(); err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	return c.ConnectionState(), err
}

// Pins which certificates of backends are accepted.
func TestClientVerifies(t *testing.T) {
	ca, other := testkit.NewAuthority(t), testkit.NewAuthority(t)
	good := ca.Issue(t, "db1", "10.0.0.1")
	tests := []struct {
		name   string
		client Client
		ca     string
		host   string
		server testkit.Pair
		err    any
	}{
		{name: "name", ca: ca.PEM, host: "db1", server: good},
		{name: "name with a dot at its end", ca: ca.PEM, host: "db1.", server: good},
		{name: "one of two authorities", ca: other.PEM + ca.PEM, host: "db1", server: good},
		{name: "address", ca: ca.PEM, host: "10.0.0.1", server: good},
		{name: "another name", ca: ca.PEM, host: "db2", server: good, err: new(x509.HostnameError)},
		{name: "another address", ca: ca.PEM, host: "10.0.0.2", server: good, err: new(x509.HostnameError)},
		{name: "no host", ca: ca.PEM, server: good, err: new(error)},
		{name: "another authority", ca: other.PEM, host: "db1", server: good, err: new(x509.UnknownAuthorityError)},
		{name: "system's authorities", host: "db1", server: good, err: new(x509.UnknownAuthorityError)},
		{name: "expired", ca: ca.PEM, host: "db1", server: ca.IssueUntil(t, time.Now().Add(-time.Hour), "db1"), err: new(x509.CertificateInvalidError)},
		{name: "unverified", client: Client{Unverified: true}, host: "db2", server: good},
	}
	for i := range tests {
		tt := &tests[i]
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.client.Set(sources(tt.ca, testkit.Pair{})); err != nil {
				t.Fatal(err)
			}
			_, err := shake(t, tt.client.Config("10.0.0.1:5432", tt.host), &tls.Config{Certificates: []tls.Certificate{tt.server.TLS(t)}})
			if (err == nil) != (tt.err == nil) || err != nil && !errors.As(err, tt.err) {
				t.Errorf("error %v, want %T", err, tt.err)
			}
		})
	}
}

// Pins that a certificate is shown to backends that demand one, and that the name and the
// protocol are asked for.
func TestClientShowsItself(t *testing.T) {
	ca := testkit.NewAuthority(t)
	own := ca.Issue(t, "fourseven")
	c := &Client{}
	if err := c.Set(sources(ca.PEM, own)); err != nil {
		t.Fatal(err)
	}
	var asked string
	server := &tls.Config{
		Certificates: []tls.Certificate{ca.Issue(t, "db1").TLS(t)}, NextProtos: []string{"h2", "http/1.1"},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) { asked = hello.ServerName; return nil, nil },
	}
	state, err := shake(t, c.Config("a:1", "db1", "http/1.1"), server)
	if err != nil || state.NegotiatedProtocol != "http/1.1" || asked != "db1" {
		t.Errorf("protocol %q, name %q, error %v", state.NegotiatedProtocol, asked, err)
	}
}

// Pins that a session is resumed with the backend that it was begun with, and not after
// the certificates have changed.
func TestClientResumes(t *testing.T) {
	ca := testkit.NewAuthority(t)
	c := &Client{}
	if err := c.Set(sources(ca.PEM, testkit.Pair{})); err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "db1").TLS(t)}}
	resumes := func(addr string) bool {
		t.Helper()
		state, err := shake(t, c.Config(addr, "db1"), server)
		if err != nil {
			t.Fatal(err)
		}
		return state.DidResume
	}
	if resumes("a:1") || !resumes("a:1") || resumes("b:1") || !resumes("a:1") {
		t.Error("the session of a:1 was not resumed, or that of b:1 was")
	}
	if err := c.Set(sources(testkit.NewAuthority(t).PEM+ca.PEM, testkit.Pair{})); err != nil {
		t.Fatal(err)
	}
	if resumes("a:1") {
		t.Error("a session was resumed that began with other authorities")
	}
}

// sources are certificates that are from no files.
func sources(ca string, own testkit.Pair) ClientSources {
	return ClientSources{CA: Text{Value: ca}, Cert: Text{Value: own.Cert}, Key: Text{Value: own.Key}}
}

// Pins that bad certificates leave those before, and that no error has a key in it.
func TestClientKeepsWhatIsValid(t *testing.T) {
	ca := testkit.NewAuthority(t)
	own, other := ca.Issue(t, "one"), ca.Issue(t, "two")
	c := &Client{}
	if err := c.Set(sources(ca.PEM, own)); err != nil {
		t.Fatal(err)
	}
	secret := strings.Split(other.Key, "\n")[1]
	for name, bad := range map[string]ClientSources{
		"another key":    sources(ca.PEM, testkit.Pair{Cert: own.Cert, Key: other.Key}),
		"half a key":     sources(ca.PEM, testkit.Pair{Cert: own.Cert, Key: other.Key[:len(other.Key)/2]}),
		"no certificate": sources(ca.PEM, testkit.Pair{Key: other.Key}),
		"swapped":        sources(ca.PEM, testkit.Pair{Cert: other.Key, Key: own.Cert}),
		"no authority":   sources(other.Key, own),
	} {
		before := c.current.Load()
		err := c.Set(bad)
		if err == nil || c.current.Load() != before {
			t.Errorf("%s: error %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error has the key", name)
		}
	}
}

// Pins that files are read again: another pair is taken when both halves of it are there.
func TestClientReloads(t *testing.T) {
	ca, dir := testkit.NewAuthority(t), t.TempDir()
	first, second := ca.Issue(t, "one"), ca.Issue(t, "two")
	cert, key := first.Files(t, dir, "own")
	c := &Client{}
	asRead := strings.TrimSpace // the settings are read so
	from := ClientSources{CA: Text{Value: ca.PEM}, Cert: Text{asRead(first.Cert), cert}, Key: Text{asRead(first.Key), key}}
	if err := c.Set(from); err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reload := func(wantChanged, wantErr bool) {
		t.Helper()
		if changed, err := c.Reload(); changed != wantChanged || (err != nil) != wantErr {
			t.Errorf("changed %t, error %v", changed, err)
		}
	}
	reload(false, false)
	write(cert, second.Cert)
	reload(false, true) // the key does not fit
	write(key, second.Key)
	reload(true, false)
	reload(false, false)
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	reload(false, true)
	shown := c.Config("a:1", "a").Certificates[0].Leaf
	if shown == nil || shown.Subject.CommonName != "two" {
		t.Errorf("shows %v", shown)
	}
}

// Pins that there are authorities to believe in where the system has none.
func TestBuiltInAuthorities(t *testing.T) {
	if builtInRoots().Equal(x509.NewCertPool()) {
		t.Error("there are none")
	}
}
