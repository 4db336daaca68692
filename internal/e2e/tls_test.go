//go:build linux

package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// secureBalancer is a fourseven that ends TLS on both frontends.
type secureBalancer struct {
	*balancer
	ca     *testkit.Authority
	caFile string
	dir    string // LB_TLS_DIR
}

// serveTLS starts a fourseven that ends TLS, with the pairs a.example.com, which is the
// first, *.b.example.com and b.example.com, in front of a backend.
func serveTLS(t *testing.T, settings ...string) *secureBalancer {
	t.Helper()
	s := &secureBalancer{ca: testkit.NewAuthority(t), dir: t.TempDir(), caFile: filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(s.caFile, []byte(s.ca.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key := s.ca.Issue(t, "a.example.com", "127.0.0.1").Files(t, t.TempDir(), "pair")
	s.ca.Issue(t, "b.example.com").Files(t, s.dir, "exact")
	s.ca.Issue(t, "wild.example.com", "*.b.example.com").Files(t, s.dir, "wild")
	s.balancer = serve(t, append([]string{"LB_L4_TLS=on", "LB_L7_TLS=on", "LB_TLS_CERT_FILE=" + cert, "LB_TLS_KEY_FILE=" + key, "LB_TLS_DIR=" + s.dir, "LB_ACCESS_LOG=on"}, settings...)...)
	return s
}

// openSSL runs openssl s_client against an address with this input. It returns all that it
// printed.
func openSSL(t *testing.T, addr, input string, args ...string) string {
	t.Helper()
	testkit.Need(t, "openssl", "openssl")
	cmd := exec.Command("openssl", append([]string{"s_client", "-connect", addr}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	out, _ := cmd.CombinedOutput() // it fails where the handshake does
	return string(out)
}

// Pins what openssl sees: certificates by name, versions, protocols, resumption.
func TestTLSWithOpenSSL(t *testing.T) {
	t.Parallel()
	lb := serveTLS(t, backendsOf(startBackends(t, 1)), "LB_L4_TLS_ALPN=redis,http/1.1")
	verified := []string{"-CAfile", lb.caFile, "-verify_return_error"}
	for _, tt := range []struct {
		name, addr string
		args       []string
		want       string
	}{
		{"first", lb.l4, []string{"-noservername"}, "subject=CN = a.example.com"},
		{"exact", lb.l4, []string{"-servername", "b.example.com", "-verify_hostname", "b.example.com"}, "subject=CN = b.example.com"},
		{"wildcard", lb.l7, []string{"-servername", "x.b.example.com", "-verify_hostname", "x.b.example.com"}, "subject=CN = wild.example.com"},
		{"no such name", lb.l7, []string{"-servername", "c.example.com"}, "subject=CN = a.example.com"},
		{"TLS 1.2", lb.l4, []string{"-tls1_2"}, "Protocol  : TLSv1.2"},
		{"TLS 1.3", lb.l7, []string{"-tls1_3"}, "New, TLSv1.3"},
		{"TLS 1.1", lb.l4, []string{"-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"}, "alert protocol version"},
		{"ALPN of L4", lb.l4, []string{"-alpn", "http/1.1,redis"}, "ALPN protocol: redis"},
		{"ALPN of L7", lb.l7, []string{"-alpn", "h2,http/1.1"}, "ALPN protocol: http/1.1"},
		{"no protocol in common", lb.l7, []string{"-alpn", "h2"}, "alert no application protocol"},
	} {
		if out := openSSL(t, tt.addr, "", append(tt.args, verified...)...); !strings.Contains(out, tt.want) {
			t.Errorf("%s: no %q in\n%s", tt.name, tt.want, out)
		}
	}
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		session := filepath.Join(t.TempDir(), "session")
		const get = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
		openSSL(t, lb.l7, get, version, "-sess_out", session, "-ign_eof")
		if out := openSSL(t, lb.l7, get, version, "-sess_in", session, "-ign_eof"); !strings.Contains(out, "Reused, TLSv1") {
			t.Errorf("the session was not resumed:\n%s", out)
		}
	}
	lb.awaitOutput(1, `tls=1.2 sni=""`)
	if got := mustAsk(t, lb.admin, "/metrics"); !strings.Contains(got, `lb_tls_handshakes_total{frontend="l7",result="resumed"} 2`) || !strings.Contains(got, `lb_connections_closed_total{frontend="l4",reason="tls_handshake"} 1`) {
		t.Errorf("metrics:\n%s", got)
	}
	lb.awaitOutput(1, `msg="TLS handshake failed" frontend=l4`)
}

// Pins that a client's renegotiation is refused, and costs that connection alone.
func TestTLSRenegotiation(t *testing.T) {
	t.Parallel()
	lb := serveTLS(t, backendsOf(startBackends(t, 1)))
	held := openSSL(t, lb.l4, "R\n", "-tls1_2", "-CAfile", lb.caFile)
	if !strings.Contains(held, "RENEGOTIATING") || !regexp.MustCompile("no renegotiation|unexpected message|alert").MatchString(held) {
		t.Errorf("renegotiation:\n%s", held)
	}
	lb.awaitOutput(1, "reason=client_reset")
	if got := lb.curl(t, "a.example.com", lb.l7, "/"); !strings.Contains(got, "backend 1") {
		t.Errorf("afterwards: %s", got)
	}
}

// curl requests a path of a name at an address, with the test's authority alone.
func (s *secureBalancer) curl(t *testing.T, name, addr, path string, args ...string) string {
	t.Helper()
	testkit.Need(t, "curl", "curl")
	_, port, _ := net.SplitHostPort(addr)
	out, err := exec.Command("curl", append([]string{"-sS", "--cacert", s.caFile, "--resolve", name + ":" + port + ":127.0.0.1", "https://" + name + ":" + port + path}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, out)
	}
	return string(out)
}

// Pins HTTPS with curl: both frontends, names, large bodies, mutual TLS, and the fields
// that the backend receives.
func TestTLSWithCurl(t *testing.T) {
	t.Parallel()
	lb := serveTLS(t, backendsOf(startBackends(t, 1)))
	for name, addr := range map[string]string{"a.example.com": lb.l7, "x.b.example.com": lb.l4} {
		if got := lb.curl(t, name, addr, "/"); !strings.Contains(got, "backend 1") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := lb.curl(t, "unknown.example.net", lb.l7, "/"); !strings.Contains(got, "exit status 60") {
		t.Errorf("a wrong name: %s", got)
	}
	if got := lb.curl(t, "a.example.com", lb.l7, "/", "--tls-max", "1.2", "-w", "%{http_version}"); !strings.HasSuffix(got, "1.1") {
		t.Errorf("TLS 1.2: %s", got)
	}
}

func TestMutualTLSWithCurl(t *testing.T) {
	t.Parallel()
	clients := testkit.NewAuthority(t)
	caFile := filepath.Join(t.TempDir(), "clients.pem")
	if err := os.WriteFile(caFile, []byte(clients.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	told := listenHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %q\n", r.Header.Get("X-Forwarded-Proto"), r.Header.Values("X-Client-Cert-CN"))
	})
	lb := serveTLS(t, "LB_BACKENDS="+told, "LB_HEALTH_CHECK=tcp", "LB_TLS_CLIENT_CA_FILE="+caFile, "LB_TLS_MIN_VERSION=1.3")
	cert, key := clients.Issue(t, "alice").Files(t, t.TempDir(), "alice")
	if got := lb.curl(t, "a.example.com", lb.l7, "/", "--cert", cert, "--key", key, "-H", "X-Client-Cert-CN: root"); got != `https ["alice"]`+"\n" {
		t.Errorf("with a certificate: %s", got)
	}
	if got := lb.curl(t, "a.example.com", lb.l7, "/"); !strings.Contains(got, "certificate required") {
		t.Errorf("without a certificate: %s", got)
	}
	mallory, malloryKey := testkit.NewAuthority(t).Issue(t, "alice").Files(t, t.TempDir(), "mallory")
	if got := lb.curl(t, "a.example.com", lb.l7, "/", "--cert", mallory, "--key", malloryKey); !strings.Contains(got, "exit status") {
		t.Errorf("with a certificate of another authority: %s", got)
	}
	if got := lb.curl(t, "a.example.com", lb.l7, "/", "--tls-max", "1.2", "--cert", cert, "--key", key); !strings.Contains(got, "protocol version") {
		t.Errorf("with TLS 1.2: %s", got)
	}
	lb.awaitOutput(1, `msg="TLS handshake failed" frontend=l7`)
}

// listenHTTP serves a handler until the test's end, and returns its address.
func listenHTTP(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	ln := testkit.Listen(t)
	srv := &http.Server{Handler: handler}
	donec := make(chan struct{})
	go func() { defer close(donec); _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close(); <-donec })
	return ln.Addr().String()
}

// Pins the redirect with a client that follows it.
func TestTLSRedirectWithCurl(t *testing.T) {
	t.Parallel()
	lb := serveTLS(t, backendsOf(startBackends(t, 1)), "LB_L7_REDIRECT_LISTEN=127.0.0.1:0")
	m := regexp.MustCompile(`frontend=l7_redirect addr=\S+:(\d+)`).FindStringSubmatch(lb.output())
	if m == nil {
		t.Fatal("no redirect listener")
	}
	testkit.Need(t, "curl", "curl")
	_, port, _ := net.SplitHostPort(lb.l7)
	out, err := exec.Command("curl", "-sSL", "--cacert", lb.caFile, "--resolve", "a.example.com:"+m[1]+":127.0.0.1", "--resolve", "a.example.com:"+port+":127.0.0.1",
		"-w", "%{url_effective}", "http://a.example.com:"+m[1]+"/?q=1").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "backend 1") || !strings.HasSuffix(string(out), "https://a.example.com:"+port+"/?q=1") {
		t.Errorf("%s, %v", out, err)
	}
	lb.awaitOutput(1, "status=308")
}

// Pins Redis over TLS that is ended at the listener, with its own client.
func TestTLSWithRedis(t *testing.T) {
	testkit.Need(t, "redis-server", "redis-server")
	testkit.Need(t, "redis-cli", "redis-tools")
	t.Parallel()
	addr := testkit.ReserveAddr(t)
	host, port, _ := net.SplitHostPort(addr)
	server := start(t, exec.Command("redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir()))
	server.awaitOutput(1, "Ready to accept connections")
	lb := serveTLS(t, "LB_BACKENDS="+addr, "LB_L7_LISTEN=off", "LB_HEALTH_CHECK=tcp")
	_, front, _ := net.SplitHostPort(lb.l4)
	cli := func(args ...string) string {
		return output(t, exec.Command("redis-cli", append([]string{"-h", "127.0.0.1", "-p", front, "--tls", "--cacert", lb.caFile, "--sni", "a.example.com"}, args...)...))
	}
	if got := cli("SET", "k", "v"); got != "OK" {
		t.Errorf("SET: %s", got)
	}
	if got := cli("SETRANGE", "k", fmt.Sprint(1<<20), "x"); got != fmt.Sprint(1<<20+1) {
		t.Errorf("SETRANGE: %s", got)
	}
	if got := cli("GET", "k"); len(got) != 1<<20+1 {
		t.Errorf("GET: %d bytes", len(got))
	}
	lb.awaitOutput(3, "tls=1.3 sni=a.example.com")
}

// Pins that certificates are replaced under load without a failed connection, and that a
// bad one changes nothing.
func TestTLSRotationUnderLoad(t *testing.T) {
	t.Parallel()
	lb := serveTLS(t, backendsOf(startBackends(t, 1)))
	roots := lb.ca.Pool()
	var served, failed atomic.Int64
	serials := func() string {
		conn, err := tls.Dial("tcp", lb.l7, &tls.Config{RootCAs: roots, ServerName: "b.example.com"})
		if err != nil {
			t.Errorf("handshake: %v", err)
			return ""
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	l := newLoad()
	l.each(50, func() {
		client := &http.Client{Timeout: testkit.Patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "b.example.com"}, DisableKeepAlives: true}}
		resp, err := client.Get("https://" + lb.l7 + "/")
		if err != nil {
			failed.Add(1)
			t.Errorf("a request failed: %v", err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		served.Add(1)
	})
	before := serials()
	for range 5 {
		lb.ca.Issue(t, "b.example.com").Files(t, lb.dir, "exact") // not at once: one file after the other
		lb.signal(syscall.SIGHUP)
		testkit.Eventually(t, "the new certificate", func() bool { return serials() != before })
		before = serials()
	}
	bad := filepath.Join(lb.dir, "exact.crt")
	if err := os.WriteFile(bad, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	lb.signal(syscall.SIGHUP)
	lb.awaitOutput(1, "reload refused")
	if got := serials(); got != before {
		t.Error("a bad certificate took the place of a good one")
	}
	l.stop()
	if served.Load() == 0 || failed.Load() > 0 {
		t.Errorf("%d requests served, %d failed", served.Load(), failed.Load())
	}
}

// Pins that Debian's testssl.sh finds nothing to complain about in either frontend, but
// that the authority is a test's.
func TestTLSWithTestssl(t *testing.T) {
	testssl := testkit.Need(t, "testssl", "testssl.sh")
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	t.Parallel()
	lb := serveTLS(t, backendsOf(startBackends(t, 1)))
	report := filepath.Join(t.TempDir(), "report.json")
	cmd := exec.Command(testssl, "--quiet", "--color", "0", "--warnings", "off", "--ip", "one", "--sneaky", "--jsonfile", report, "--add-ca", lb.caFile,
		"-p", "-P", "-f", "-H", "-I", "-T", "-BB", "-R", "-C", "-O", "-Z", "-W", "-A", "-4", // protocols, ciphers, known weaknesses
		"https://"+lb.l7)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Logf("%v", err) // its exit code counts findings
	}
	var findings []struct{ ID, Severity, Finding string }
	text, readErr := os.ReadFile(report)
	if readErr == nil {
		readErr = json.Unmarshal(text, &findings)
	}
	if readErr != nil || len(findings) < 20 {
		t.Fatalf("%d findings, %v\n%s", len(findings), readErr, out)
	}
	for _, f := range findings {
		switch f.Severity {
		case "LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL":
			t.Errorf("%s: %s %s", f.Severity, f.ID, f.Finding)
		}
	}
}

// Pins that clients which do not finish their handshake do not hold up others, and are
// disconnected.
func TestTLSHalfAHello(t *testing.T) {
	t.Parallel()
	lb := serveTLS(t, backendsOf(startBackends(t, 1)), "LB_L7_HEADER_TIMEOUT=1s")
	var conns []net.Conn
	for range 50 {
		for _, addr := range []string{lb.l4, lb.l7} {
			conn := dial(t, addr)
			_, _ = conn.Write([]byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3})
			conns = append(conns, conn)
		}
	}
	began := time.Now()
	if got := lb.curl(t, "a.example.com", lb.l7, "/"); !strings.Contains(got, "backend 1") {
		t.Errorf("beside them: %s", got)
	}
	if took := time.Since(began); took > margin {
		t.Errorf("it took %s", took)
	}
	for _, conn := range conns {
		_ = conn.SetReadDeadline(time.Now().Add(testkit.Patience))
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil || os.IsTimeout(err) {
			t.Fatalf("%d bytes, %v, want the connection to be cut", n, err)
		}
	}
	lb.awaitOutput(1, "reason=tls_handshake")
}

// Pins that keys are in no output of the program, whatever is asked for.
func TestTLSKeysAreShownNowhere(t *testing.T) {
	t.Parallel()
	lb := serveTLS(t, backendsOf(startBackends(t, 1)), "LB_LOG_LEVEL=debug", "LB_TLS_TICKET_KEY="+strings.Repeat("c2Vj", 10)+"c2U=")
	text := lb.output() + mustAsk(t, lb.admin, "/api/config") + mustAsk(t, lb.admin, "/api/status") + mustAsk(t, lb.admin, "/metrics")
	for _, secret := range []string{"PRIVATE", "c2Vjc2Vj"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is shown", secret)
		}
	}
	if !bytes.Contains([]byte(text), []byte(`"names":["a.example.com"]`)) {
		t.Errorf("the certificate is not in the status: %s", text)
	}
}
