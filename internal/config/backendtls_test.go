package config

import (
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// Pins that each wrong combination of the settings of TLS to backends is a fault by its
// variable, and that no key is in one.
func TestBackendTLSFaults(t *testing.T) {
	ca := testkit.NewAuthority(t)
	own, other := ca.Issue(t, "lb"), ca.Issue(t, "other")
	l4Only := "LB_L7_LISTEN=off"
	for _, tt := range []struct {
		name    string
		environ []string
		want    string
	}{
		{"mode", []string{"LB_BACKEND_TLS=yes"}, `LB_BACKEND_TLS="yes": expected off, on or postgres`},
		{"verify", []string{"LB_BACKEND_TLS_VERIFY=no"}, `LB_BACKEND_TLS_VERIFY="no": expected on or off`},
		{"name with a port", []string{"LB_BACKEND_TLS_NAME=a:1"}, `LB_BACKEND_TLS_NAME="a:1": expected a host name or an IP address`},
		{"path for an authority", []string{"LB_BACKEND_TLS_CA=/etc/ca.pem"}, `expected certificates in PEM, which begin with -----BEGIN CERTIFICATE-----; did you mean LB_BACKEND_TLS_CA_FILE?`},
		{"path for a key", []string{"LB_BACKEND_TLS_KEY=/etc/lb.key"}, `did you mean LB_BACKEND_TLS_KEY_FILE?`},
		{"key for a certificate", []string{"LB_BACKEND_TLS_CERT=" + own.Key, "LB_BACKEND_TLS_KEY=" + own.Key}, `LB_BACKEND_TLS_CERT: expected certificates in PEM`},
		{"no key", []string{"LB_BACKEND_TLS_CERT=" + own.Cert}, `LB_BACKEND_TLS_CERT: LB_BACKEND_TLS_KEY is not set, expected both or none of them`},
		{"no certificate", []string{"LB_BACKEND_TLS_KEY=" + own.Key}, `LB_BACKEND_TLS_KEY: LB_BACKEND_TLS_CERT is not set, expected both or none of them`},
		{"another key", []string{"LB_BACKEND_TLS_CERT=" + own.Cert, "LB_BACKEND_TLS_KEY=" + other.Key}, `LB_BACKEND_TLS_KEY: expected the key of LB_BACKEND_TLS_CERT: tls: private key does not match public key`},
		{"postgres with L7", []string{"LB_BACKEND_TLS=postgres"}, `LB_BACKEND_TLS=postgres: LB_L7_LISTEN=":8000" speaks HTTP to the same backends, expected it to be off`},
		{"plain backend", []string{"LB_BACKEND_TLS=on", "LB_BACKENDS=http://a:1"}, `LB_BACKENDS: entry "a:1": LB_BACKEND_TLS=on is for all backends, expected no http:// or tcp:// in front`},
		{"direct TLS to PostgreSQL", []string{l4Only, "LB_BACKEND_TLS=postgres", "LB_BACKENDS=tls://a:1"}, `LB_BACKENDS: entry "a:1": LB_BACKEND_TLS=postgres is for all backends, expected no https:// or tls:// in front`},
		{"Unix socket", []string{"LB_BACKEND_TLS=on", "LB_BACKENDS=unix:/a"}, `LB_BACKENDS: entry "unix:/a": a Unix socket has no name that its certificate could have, expected LB_BACKEND_TLS_NAME to be set`},
	} {
		environ := tt.environ
		if !strings.Contains(strings.Join(environ, " "), "LB_BACKENDS") {
			environ = append(environ, "LB_BACKENDS=a:1")
		}
		_, err := Load(environ)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
		if err != nil && strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: more than one fault: %v", tt.name, err)
		}
		if err != nil && strings.Contains(err.Error(), "PRIVATE KEY-----\n") {
			t.Errorf("%s: the error has a key: %v", tt.name, err)
		}
	}
}

// Pins that PostgreSQL's clients cannot be told apart by a name that comes after their request for TLS.
func TestPostgresByName(t *testing.T) {
	pair := testkit.NewAuthority(t).Issue(t, "a.example.com")
	_, err := Load([]string{"LB_SERVICES=a", "LB_BACKENDS=b:1", "LB_A_L4_LISTEN=:5432", "LB_A_L4_TLS=postgres", "LB_A_SNI=a.example.com",
		"LB_A_TLS_CERT=" + pair.Cert, "LB_A_TLS_KEY=" + pair.Key})
	if err == nil || !strings.Contains(err.Error(), `LB_A_SNI="a.example.com": with LB_A_L4_TLS=postgres the server name comes too late to choose by`) {
		t.Errorf("error %v", err)
	}
}

// Pins that a key is shown nowhere, and certificates by whom they are of.
func TestBackendTLSShown(t *testing.T) {
	ca := testkit.NewAuthority(t)
	own := ca.Issue(t, "lb.example")
	c := mustLoad(t, "LB_BACKENDS=a:1", "LB_BACKEND_TLS=on", "LB_BACKEND_TLS_CA="+ca.PEM+ca.PEM, "LB_BACKEND_TLS_CERT="+own.Cert, "LB_BACKEND_TLS_KEY_FILE="+write(t, own.Key))
	got := strings.Join(strings.Fields(effective(t, &c)), " ")
	for _, want := range []string{
		"LB_BACKEND_TLS_CERT (certificate of lb.example)", "LB_BACKEND_TLS_CA (2 certificates, the first of CN=test authority)", "LB_BACKEND_TLS_KEY (secret)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if strings.Contains(got, "BEGIN") {
		t.Errorf("PEM in %s", got)
	}
}

// Pins the warnings, and the reports of settings that have no effect.
func TestBackendTLSWarnings(t *testing.T) {
	ca := testkit.NewAuthority(t)
	old := ca.IssueUntil(t, time.Now().Add(-time.Hour), "lb")
	for _, tt := range []struct {
		environ []string
		want    string
	}{
		{[]string{"LB_BACKENDS=a:1", "LB_BACKEND_TLS_VERIFY=off"}, "LB_BACKEND_TLS_VERIFY has no effect: LB_BACKEND_TLS is off"},
		{[]string{"LB_BACKENDS=https://a:1", "LB_BACKEND_TLS_VERIFY=off"}, "LB_BACKEND_TLS_VERIFY: off: the certificates of backends are not verified"},
		{[]string{"LB_BACKENDS=a:1", "LB_BACKEND_TLS=on", "LB_BACKEND_TLS_VERIFY=off", "LB_BACKEND_TLS_CA=" + ca.PEM}, "LB_BACKEND_TLS_CA has no effect: LB_BACKEND_TLS_VERIFY is off"},
		{[]string{"LB_BACKENDS=tls://a:1", "LB_BACKEND_TLS_CERT=" + old.Cert, "LB_BACKEND_TLS_KEY=" + old.Key}, "LB_BACKEND_TLS_CERT: it expired on "},
	} {
		c := mustLoad(t, tt.environ...)
		if got := effective(t, &c); !strings.Contains(got, tt.want) {
			t.Errorf("no %q in:\n%s", tt.want, got)
		}
	}
}

// Pins that a list that is read again is held against the settings of TLS.
func TestCheckBackendsTLS(t *testing.T) {
	c := mustLoad(t, "LB_BACKENDS_FILE="+write(t, "a:1"), "LB_BACKEND_TLS=on")
	var list Backends
	if err := list.UnmarshalText([]byte("a:1,tcp://b:1")); err != nil {
		t.Fatal(err)
	}
	err := c.CheckBackends("LB_BACKENDS", list)
	if err == nil || err.Error() != `LB_BACKENDS: entry "b:1": LB_BACKEND_TLS=on is for all backends, expected no http:// or tcp:// in front` {
		t.Errorf("error %v", err)
	}
}
