package tlsconf

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// serverOf returns a Server with these sources.
func serverOf(t *testing.T, from Sources) *Server {
	t.Helper()
	s := &Server{Minimum: tls.VersionTLS12}
	if err := s.Set(from); err != nil {
		t.Fatal(err)
	}
	return s
}

// literal returns sources of a pair that is from no file.
func literal(p testkit.Pair) Sources {
	return Sources{Cert: Text{Value: p.Cert}, Key: Text{Value: p.Key}}
}

// shown returns the common name of the certificate that a client is shown.
func shown(t *testing.T, server *tls.Config, name string) string {
	t.Helper()
	state, err := shake(t, &tls.Config{InsecureSkipVerify: true, ServerName: name}, server)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return state.PeerCertificates[0].Subject.CommonName
}

// Pins which certificate a client gets: an exact name comes before a wildcard, which is
// for one label, and the first pair is for all others.
func TestServerChooses(t *testing.T) {
	ca := testkit.NewAuthority(t)
	dir := t.TempDir()
	ca.Issue(t, "b.example.com", "*.example.com").Files(t, dir, "wild")
	ca.Issue(t, "a.example.com").Files(t, dir, "zz")
	from := literal(ca.Issue(t, "first.example.net"))
	from.Dir = dir
	cfg := serverOf(t, from).Config()
	for name, want := range map[string]string{
		"":                  "first.example.net",
		"first.example.net": "first.example.net",
		"a.example.com":     "a.example.com",
		"A.Example.COM":     "a.example.com",
		"b.example.com":     "b.example.com",
		"c.example.com":     "b.example.com",
		"d.c.example.com":   "first.example.net",
		"example.com":       "first.example.net",
		"10.0.0.1":          "first.example.net", // an address is not sent as a name
	} {
		if got := shown(t, cfg, name); got != want {
			t.Errorf("%q is shown the certificate of %s, want %s", name, got, want)
		}
	}
}

// Pins that of two certificates of one name a client gets the one whose key it takes, and
// ECDSA if it takes both.
func TestServerChoosesByKey(t *testing.T) {
	ca := testkit.NewAuthority(t)
	dir := t.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ca.IssueFor(t, key, "lb").Files(t, dir, "a-rsa")
	ca.Issue(t, "lb").Files(t, dir, "b-ecdsa")
	cfg := serverOf(t, Sources{Dir: dir}).Config()
	for _, tt := range []struct {
		suites []uint16
		want   x509.PublicKeyAlgorithm
	}{
		{[]uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, x509.ECDSA},
		{[]uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}, x509.RSA},
		{[]uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, x509.ECDSA},
	} {
		state, err := shake(t, &tls.Config{RootCAs: ca.Pool(), ServerName: "lb", MaxVersion: tls.VersionTLS12, CipherSuites: tt.suites}, cfg)
		if err != nil || state.PeerCertificates[0].PublicKeyAlgorithm != tt.want {
			t.Errorf("%v: %v, want %v", tt.suites, err, tt.want)
		}
	}
}

// Pins versions, protocols, and that clients need a certificate if there are authorities.
func TestServerDemands(t *testing.T) {
	ca, other := testkit.NewAuthority(t), testkit.NewAuthority(t)
	from := literal(ca.Issue(t, "lb"))
	from.ClientCA.Value = ca.PEM
	s := &Server{Minimum: tls.VersionTLS13}
	if err := s.Set(from); err != nil {
		t.Fatal(err)
	}
	cfg := s.Config("one", "two")
	client := tls.Config{RootCAs: ca.Pool(), ServerName: "lb", Certificates: []tls.Certificate{ca.Issue(t, "me").TLS(t)}, NextProtos: []string{"two"}}
	tests := []struct {
		name   string
		change func(*tls.Config)
		want   string // in the error
	}{
		{"all is well", func(*tls.Config) {}, ""},
		{"no protocol in common", func(c *tls.Config) { c.NextProtos = []string{"three"} }, "no application protocol"},
		{"no protocols", func(c *tls.Config) { c.NextProtos = nil }, ""},
		{"old version", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, "protocol version not supported"},
		{"no certificate", func(c *tls.Config) { c.Certificates = nil }, "certificate required"},
		{"another authority", func(c *tls.Config) { c.Certificates = []tls.Certificate{other.Issue(t, "me").TLS(t)} }, "certificate"},
		{"expired", func(c *tls.Config) {
			c.Certificates = []tls.Certificate{ca.IssueUntil(t, time.Now().Add(-time.Hour), "me").TLS(t)}
		}, "certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := client.Clone()
			tt.change(c)
			if _, err := shake(t, c, cfg); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// Pins that sessions of one instance are resumed with another one if both have the key of
// session tickets, also after it was replaced by a new one once, and else are not.
func TestServerTickets(t *testing.T) {
	ca := testkit.NewAuthority(t)
	pair := ca.Issue(t, "lb")
	key := func(b byte) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32)) }
	instance := func(key string) (*Server, *tls.Config) {
		from := literal(pair)
		from.TicketKey.Value = key
		s := serverOf(t, from)
		return s, s.Config()
	}
	client := &tls.Config{RootCAs: ca.Pool(), ServerName: "lb", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	resumes := func(cfg *tls.Config) bool {
		t.Helper()
		state, err := shake(t, client, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return state.DidResume
	}
	s, one := instance(key(1))
	_, two := instance(key(1))
	_, own := instance("")
	if resumes(one) || !resumes(two) {
		t.Error("a session was not resumed with the instance that has the same key")
	}
	from := literal(pair)
	from.TicketKey.Value = key(2)
	if err := s.Set(from); err != nil {
		t.Fatal(err)
	}
	if !resumes(one) {
		t.Error("a session was not resumed after the key was replaced")
	}
	if resumes(two) {
		t.Error("a session was resumed with an instance that does not have the key")
	}
	if resumes(own) || !resumes(own) {
		t.Error("an instance without a key does not resume its own sessions, or others")
	}
	if _, err := ParseTicketKey(key(1)[4:]); err == nil {
		t.Error("a short key was taken")
	}
}

// Pins that files are read again as Kubernetes and certbot replace them, and that bad ones
// leave those before.
func TestServerReloads(t *testing.T) {
	ca := testkit.NewAuthority(t)
	dir := t.TempDir()
	point := func(pairs map[string]testkit.Pair) { // as Kubernetes does it
		t.Helper()
		version, err := os.MkdirTemp(dir, "..v")
		if err != nil {
			t.Fatal(err)
		}
		for name, pair := range pairs {
			pair.Files(t, version, name)
		}
		swap := filepath.Join(dir, "..swap")
		if err := os.Symlink(version, swap); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(swap, filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	one, two := ca.Issue(t, "one"), ca.Issue(t, "two")
	point(map[string]testkit.Pair{"tls": one})
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := ca.Issue(t, "file").Files(t, t.TempDir(), "pair")
	from := Sources{Dir: dir, Cert: read(t, cert), Key: read(t, key)}
	s := serverOf(t, from)
	cfg := s.Config()
	reload := func(wantChanged bool, wantErr string, wantNames string) {
		t.Helper()
		changed, err := s.Reload()
		if changed != wantChanged || (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("changed %t, error %v, want %t, %q", changed, err, wantChanged, wantErr)
		}
		var names []string
		for _, e := range s.Expiries() {
			names = append(names, e.Source+":"+e.Names[0])
			if shown(t, cfg, e.Names[0]) != e.Names[0] {
				t.Errorf("the certificate of %s is not in use", e.Names[0])
			}
		}
		if got := strings.Join(names, " "); got != wantNames {
			t.Errorf("certificates %s, want %s", got, wantNames)
		}
	}
	reload(false, "", ":file tls:one")
	point(map[string]testkit.Pair{"tls": two})
	reload(true, "", ":file tls:two")
	reload(false, "", ":file tls:two")

	point(map[string]testkit.Pair{"tls": {Cert: one.Cert, Key: two.Key}})
	reload(false, "private key does not match", ":file tls:two")
	point(map[string]testkit.Pair{"tls": {Cert: one.Cert[:len(one.Cert)/2], Key: one.Key}})
	reload(false, "pair tls", ":file tls:two")
	point(map[string]testkit.Pair{})
	reload(false, "no such file", ":file tls:two") // what tls.crt points at is gone
	point(map[string]testkit.Pair{"tls": one})
	reload(true, "", ":file tls:one")

	ca.Issue(t, "renewed").Files(t, filepath.Dir(cert), "pair")
	reload(true, "", ":renewed tls:one")
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	reload(false, "no such file", ":renewed tls:one")
}

func read(t *testing.T, path string) Text {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return Text{Value: strings.TrimRight(string(b), "\n"), Path: path}
}

// Pins which files of a directory are pairs, and what is wrong with others.
// Pins that a file that is emptied or cut never makes a server ask for less than before.
func TestServerKeepsItsAuthorities(t *testing.T) {
	ca, other := testkit.NewAuthority(t), testkit.NewAuthority(t)
	both := ca.PEM + other.PEM
	path := filepath.Join(t.TempDir(), "clients.pem")
	from := literal(ca.Issue(t, "lb"))
	from.ClientCA = Text{Value: strings.TrimRight(both, "\n"), Path: path}
	s := &Server{Minimum: tls.VersionTLS12}
	if err := s.Set(from); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"", "\n", "# none\n", both[:len(both)-40]} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if changed, err := s.Reload(); changed || err == nil {
			t.Errorf("%q: changed %t, error %v", content, changed, err)
		}
		if s.config.ClientAuth != tls.RequireAndVerifyClientCert {
			t.Errorf("%q: clients need no certificate any more", content)
		}
	}
}

// Pins that a chain that is cut in its second certificate is refused: clients that lack
// that could not verify the first.
func TestServerRefusesACutChain(t *testing.T) {
	ca := testkit.NewAuthority(t)
	pair := ca.Issue(t, "lb")
	for _, chain := range []string{pair.Cert + ca.PEM[:len(ca.PEM)/2], pair.Cert + ca.PEM[:30]} {
		from := literal(testkit.Pair{Cert: chain, Key: pair.Key})
		if err := new(Server).Set(from); !errors.Is(err, errCut) {
			t.Errorf("%q: got %v", chain, err)
		}
	}
}

func TestReadDir(t *testing.T) {
	tests := []struct {
		name, files, want, err string
	}{
		{"names", "b.crt b.key a.crt a.key notes.txt .hidden.crt", "a b", ""},
		{"certbot", "README site/fullchain.pem site/privkey.pem site/cert.pem site/chain.pem", "site", ""},
		{"kubernetes", "one/tls.crt one/tls.key one/ca.crt two/tls.crt two/tls.key .data/tls.crt", "one two", ""},
		{"folder of names", "more/a.crt more/a.key a.crt a.key", "a more/a", ""},
		{"too deep", "a.crt a.key one/two/b.crt", "a", ""},
		{"nothing", "notes.txt", "", "has no pair"},
		{"no key", "a.crt a.key b.crt", "", "has no b.key beside it"},
		{"no certificate", "a.crt a.key b.key", "", "has no certificate beside it"},
		{"no certbot key", "fullchain.pem", "", "has no privkey.pem beside it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range strings.Fields(tt.files) {
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			pairs, err := ReadDir(dir)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			var names []string
			for _, p := range pairs {
				names = append(names, p.Name)
			}
			if got := strings.Join(names, " "); err == nil && got != tt.want {
				t.Errorf("pairs %s, want %s", got, tt.want)
			}
		})
	}
	if _, err := ReadDir(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing directory was taken")
	}
}
