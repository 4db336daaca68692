package config

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// Pins that each wrong combination of the settings of the clients' TLS is a fault by its
// variable, and that no key is in one.
func TestListenerTLSFaults(t *testing.T) {
	ca := testkit.NewAuthority(t)
	own, other := ca.Issue(t, "lb"), ca.Issue(t, "other")
	unfit := t.TempDir()
	testkit.Pair{Cert: own.Cert, Key: other.Key}.Files(t, unfit, "lb")
	on := []string{"LB_L7_TLS=on", "LB_TLS_CERT=" + own.Cert, "LB_TLS_KEY=" + own.Key}
	for _, tt := range []struct {
		name    string
		environ []string
		want    string // empty: no fault
	}{
		{"all is well", on, ""},
		{"mode of L4", []string{"LB_L4_TLS=yes"}, `LB_L4_TLS="yes": expected off, on or postgres`},
		{"mode of L7", []string{"LB_L7_TLS=postgres"}, `LB_L7_TLS="postgres": expected off or on`},
		{"version", []string{"LB_TLS_MIN_VERSION=1.1"}, `LB_TLS_MIN_VERSION="1.1": expected 1.2 or 1.3`},
		{"no pair for L7", on[:1], `LB_L7_TLS=on: there is no certificate, expected LB_TLS_CERT and LB_TLS_KEY to be set, or LB_TLS_DIR`},
		{"no pair for L4", []string{"LB_L4_TLS=postgres"}, `LB_L4_TLS=postgres: there is no certificate, expected LB_TLS_CERT and LB_TLS_KEY to be set, or LB_TLS_DIR`},
		{"no key", on[:2], `LB_TLS_CERT: LB_TLS_KEY is not set, expected both or none of them`},
		{"no certificate", []string{on[0], on[2]}, `LB_TLS_KEY: LB_TLS_CERT is not set, expected both or none of them`},
		{"another key", []string{on[0], on[1], "LB_TLS_KEY=" + other.Key}, `LB_TLS_KEY: expected the key of LB_TLS_CERT: tls: private key does not match public key`},
		{"no PEM", []string{on[0], "LB_TLS_CERT=x", on[2]}, `LB_TLS_CERT: expected certificates in PEM`},
		{"missing directory", []string{on[0], "LB_TLS_DIR=/missing"}, `LB_TLS_DIR="/missing": open /missing: no such file or directory`},
		{"empty directory", []string{on[0], "LB_TLS_DIR=" + t.TempDir()}, `has no pair: expected name.crt and name.key`},
		{"key in a directory that does not fit", []string{on[0], "LB_TLS_DIR=" + unfit}, `": pair lb: tls: private key does not match public key`},
		{"authority", append([]string{"LB_TLS_CLIENT_CA=x"}, on...), `LB_TLS_CLIENT_CA: expected certificates in PEM`},
		{"short ticket key", append([]string{"LB_TLS_TICKET_KEY=c2hvcnQ="}, on...), `LB_TLS_TICKET_KEY: expected 32 bytes in base64, as openssl rand -base64 32 prints them`},
		{"redirect without TLS", []string{"LB_L7_REDIRECT_LISTEN=:80"}, `LB_L7_REDIRECT_LISTEN=":80": it redirects to HTTPS, expected LB_L7_TLS to be on, and LB_L7_LISTEN not to be off`},
		{"redirect without L7", append([]string{"LB_L7_REDIRECT_LISTEN=:80", "LB_L7_LISTEN=off"}, on...), `LB_L7_REDIRECT_LISTEN=":80": it redirects to HTTPS`},
		{"redirect at L7's address", append([]string{"LB_L7_REDIRECT_LISTEN=:8000"}, on...), `LB_L7_REDIRECT_LISTEN=":8000": LB_L7_LISTEN=":8000" has that address`},
		{"two redirects at one address", []string{"LB_SERVICES=a,b", "LB_A_L7_LISTEN=:1", "LB_B_L7_LISTEN=:2", "LB_L7_TLS=on", on[1], on[2], "LB_A_L7_REDIRECT_LISTEN=:3", "LB_B_L7_REDIRECT_LISTEN=:3"},
			`LB_B_L7_REDIRECT_LISTEN=":3": LB_A_L7_REDIRECT_LISTEN=":3" has that address`},
		{"redirect to itself as backend", append([]string{"LB_L7_REDIRECT_LISTEN=127.0.0.1:81", "LB_BACKENDS=127.0.0.1:81"}, on...), `it is this process's own listener LB_L7_REDIRECT_LISTEN=127.0.0.1:81`},
		{"long protocol", []string{"LB_L4_TLS_ALPN=" + strings.Repeat("x", 256)}, `expected at most 255 bytes`},
	} {
		environ := tt.environ
		if !strings.Contains(strings.Join(environ, " "), "LB_BACKENDS") {
			environ = append([]string{"LB_BACKENDS=a:1"}, environ...)
		}
		_, err := Load(environ)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
		if err != nil && (strings.Contains(err.Error(), "PRIVATE KEY-----\n") || strings.Contains(err.Error(), "c2hvcnQ=")) {
			t.Errorf("%s: the error has a key: %v", tt.name, err)
		}
	}
}

// Pins that keys are shown nowhere, and what has no effect and what may not be meant.
func TestListenerTLSShown(t *testing.T) {
	ca := testkit.NewAuthority(t)
	own := ca.IssueUntil(t, time.Now().Add(-time.Hour), "lb.example")
	dir := t.TempDir()
	ca.IssueUntil(t, time.Now().Add(-time.Hour), "old.example").Files(t, dir, "old")
	key := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	environ := []string{"LB_BACKENDS=a:1", "LB_L7_TLS=on", "LB_TLS_CERT=" + own.Cert, "LB_TLS_KEY_FILE=" + write(t, own.Key), "LB_TLS_DIR=" + dir,
		"LB_TLS_TICKET_KEY=" + key, "LB_TLS_CLIENT_CA=" + ca.PEM, "LB_L4_TLS_ALPN=h2"}
	c := mustLoad(t, environ...)
	text := effective(t, &c)
	got := strings.Join(strings.Fields(text), " ")
	for _, want := range []string{
		"LB_TLS_CERT (certificate of lb.example)", "LB_TLS_KEY (secret)", "LB_TLS_TICKET_KEY (secret)", "LB_TLS_DIR " + dir,
		"LB_L4_TLS_ALPN has no effect: LB_L4_TLS is off", "LB_TLS_CERT: it expired on", "LB_TLS_DIR: old expired on",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, text)
		}
	}
	if strings.Contains(text, key) || strings.Contains(text, strings.Split(own.Key, "\n")[1]) {
		t.Errorf("a key is shown: %s", text)
	}
	off := mustLoad(t, "LB_BACKENDS=a:1", "LB_TLS_DIR="+dir, "LB_L4_TLS=on", "LB_L4_LISTEN=off")
	if got := effective(t, &off); !strings.Contains(got, "LB_TLS_DIR has no effect: LB_L4_TLS and LB_L7_TLS end no TLS") || !strings.Contains(got, "LB_L4_TLS has no effect: LB_L4_LISTEN is off") {
		t.Errorf("effects: %s", got)
	}
}

// Pins that services inherit certificates, and where they are read again from.
func TestListenerTLSOfServices(t *testing.T) {
	ca := testkit.NewAuthority(t)
	cert, key := ca.Issue(t, "lb").Files(t, t.TempDir(), "lb")
	c := mustLoad(t, "LB_SERVICES=web,db", "LB_BACKENDS=a:1", "LB_TLS_CERT_FILE="+cert, "LB_TLS_KEY_FILE="+key,
		"LB_WEB_L7_LISTEN=:443", "LB_WEB_L7_TLS=on", "LB_WEB_L7_REDIRECT_LISTEN=:80", "LB_DB_L4_LISTEN=:5432", "LB_DB_TLS_MIN_VERSION=1.3", "LB_DB_L4_TLS=postgres")
	for _, s := range c.Services {
		from := s.TLSSources()
		if !s.EndsTLS() || from.Cert.Path != cert || filepath.Base(from.Key.Path) != "lb.key" || from.ClientCA.Path != "" {
			t.Errorf("service %s: %+v", s.Name, from)
		}
	}
	if unused := c.Unused(); len(unused) > 0 {
		t.Errorf("no effect: %v", unused)
	}
	_, err := Load([]string{"LB_SERVICES=web", "LB_BACKENDS=a:1", "LB_WEB_L7_LISTEN=:443", "LB_L7_REDIRECT_LISTEN=:80"})
	if err == nil || !strings.Contains(err.Error(), "services do not inherit it, expected LB_WEB_L7_REDIRECT_LISTEN") {
		t.Errorf("error %v", err)
	}
}
