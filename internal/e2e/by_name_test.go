//go:build linux

package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// startTLSSite starts an nginx that ends TLS for a name with a certificate of the
// authority, and answers with that name. It returns its address.
func startTLSSite(t *testing.T, nginx, name string, authority *testkit.Authority) string {
	t.Helper()
	addr := testkit.ReserveAddr(t)
	cert, key := authority.Issue(t, name).Files(t, t.TempDir(), "site")
	startNginxWith(t, nginx, addr, `
	server {
		listen `+addr+` ssl;
		ssl_protocols TLSv1.2 TLSv1.3;
		ssl_certificate `+cert+`;
		ssl_certificate_key `+key+`;
		location / { return 200 "`+name+` $ssl_server_name $ssl_protocol"; }
	}`)
	return addr
}

// sClient runs openssl s_client and returns what it prints.
func sClient(t *testing.T, openssl, addr string, args ...string) string {
	t.Helper()
	cmd := exec.Command(openssl, append([]string{"s_client", "-connect", addr, "-no_ign_eof"}, args...)...)
	text, _ := cmd.CombinedOutput() // fails after an alert
	return string(text)
}

// TestByNameRecipe runs the recipe for sites that share ports, with real servers that end
// TLS and clients that verify them: each gets the certificate of the site that it asks for.
func TestByNameRecipe(t *testing.T) {
	nginx, curl, openssl := testkit.Need(t, "nginx", "nginx"), testkit.Need(t, "curl", "curl"), testkit.Need(t, "openssl", "openssl")
	t.Parallel()
	authority := testkit.NewAuthority(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte(authority.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	shop, blogs := startTLSSite(t, nginx, "shop.example.com", authority), startTLSSite(t, nginx, "blogs.example.com", authority)
	b := startBackends(t, 3)
	settings := recipe(t, "by-name", "shop1:8443", shop, "shop2:8443", testkit.ReserveAddr(t), "blogs1:8443", blogs,
		"api1:8080", b[0].addr, "api2:8080", b[1].addr, "web1:8080", b[2].addr)
	lb := serveServices(t, append(settings, "LB_ACCESS_LOG=on")...)
	tlsAddr, httpAddr := lb.at["shop,blogs l4"], lb.at["api,web l7"]
	_, port, _ := net.SplitHostPort(tlsAddr)
	host, _, _ := net.SplitHostPort(tlsAddr)
	for _, tt := range []struct{ name, version, want string }{
		{"shop.example.com", "--tlsv1.3", "shop.example.com shop.example.com TLSv1.3"},
		{"SHOP.example.com", "--tlsv1.3", "shop.example.com shop.example.com TLSv1.3"},
		{"blogs.example.com", "--tlsv1.3", "blogs.example.com blogs.example.com TLSv1.3"},
		{"blogs.example.com", "--tls-max 1.2", "blogs.example.com blogs.example.com TLSv1.2"},
	} {
		args := append([]string{"-sS", "--cacert", ca, "--resolve", tt.name + ":" + port + ":" + host}, strings.Fields(tt.version)...)
		got := output(t, exec.Command(curl, append(args, "https://"+tt.name+":"+port+"/")...))
		if strings.TrimSpace(got) != tt.want {
			t.Errorf("curl %s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for _, tt := range []struct{ name, want string }{
		{"www.shop.example.com", "subject=CN = shop.example.com"}, {"any.example.com", "subject=CN = blogs.example.com"}, {"", "subject=CN = blogs.example.com"},
	} {
		args := []string{"-servername", tt.name}
		if tt.name == "" {
			args = []string{"-noservername"}
		}
		if got := sClient(t, openssl, tlsAddr, args...); !strings.Contains(got, tt.want) {
			t.Errorf("s_client %q: no %q in:\n%s", tt.name, tt.want, got)
		}
	}

	for _, tt := range []struct{ path, want string }{{"/api/x", "12"}, {"/api", "12"}, {"/status?x", "12"}, {"/apix", "3"}, {"/", "3"}} {
		got := strings.TrimSpace(strings.TrimPrefix(mustAsk(t, httpAddr, tt.path), "backend "))
		if !strings.Contains(tt.want, got) {
			t.Errorf("%s: a response of %s, want one of %s", tt.path, got, tt.want)
		}
	}
	lb.awaitOutput(3, "msg=connection service=shop ")
	lb.awaitOutput(4, "msg=connection service=blogs ")
	lb.awaitOutput(3, "msg=request service=api ")
	wantTexts(t, "/metrics", mustAsk(t, lb.admin, "/metrics"), []string{
		`lb_frontend_connections_total{frontend="l4",service="shop"} 3`, `lb_frontend_connections_total{frontend="l4",service="blogs"} 4`,
		`lb_http_requests_total{code="200",method="GET",service="api"} 3`, `lb_http_requests_total{code="200",method="GET",service="web"} 2`,
	})
	for _, name := range []string{"shop", "blogs", "api", "web"} {
		if a, err := ask(lb.admin, "/readyz?service="+name); err != nil || a.status != http.StatusOK {
			t.Errorf("/readyz of %s: %d, %v", name, a.status, err)
		}
	}
	lb.stop()
}

// TestNoRoute pins what clients get that ask for nothing that is there, and how it is
// counted and logged.
func TestNoRoute(t *testing.T) {
	openssl := testkit.Need(t, "openssl", "openssl")
	t.Parallel()
	b := startBackends(t, 2)
	l4, l7 := testkit.ReserveAddr(t), testkit.ReserveAddr(t)
	lb := serveServices(t, "LB_SERVICES=a,b", "LB_A_BACKENDS="+b[0].addr, "LB_B_BACKENDS="+b[1].addr, "LB_ACCESS_LOG=on",
		"LB_A_L4_LISTEN="+l4, "LB_A_SNI=a.example.com", "LB_B_L4_LISTEN="+l4, "LB_B_SNI=*.example.com",
		"LB_A_L7_LISTEN="+l7, "LB_A_HOSTS=a.example.com", "LB_B_L7_LISTEN="+l7, "LB_B_PATHS=/b", "LB_L4_HELLO_TIMEOUT=300ms")
	if got := sClient(t, openssl, l4, "-servername", "a.example.org"); !strings.Contains(got, "unrecognized name") {
		t.Errorf("s_client:\n%s", got)
	}
	plain := dial(t, l4)
	_, _ = io.WriteString(plain, "GET / HTTP/1.1\r\n\r\n")
	wantReset(t, plain)
	wantReset(t, dial(t, l4)) // after LB_L4_HELLO_TIMEOUT
	a, err := ask(l7, "/x")
	if err != nil || a.status != http.StatusNotFound || a.body != `{"error":"No service for this host and path"}` {
		t.Errorf("got %d %s, %v", a.status, a.body, err)
	}
	if got := servedBy(t, l7+"/b"); got != "2" {
		t.Errorf("/b: a response of %s", got)
	}
	lb.awaitOutput(3, "reason=no_route")
	wantTexts(t, "/metrics", mustAsk(t, lb.admin, "/metrics"), []string{
		`lb_connections_closed_total{frontend="l4",reason="no_route",service="a"} 3`, `lb_frontend_rejected_total{frontend="l4",reason="no_route",service="a"} 3`,
		`lb_frontend_connections_total{frontend="l4",service="a"} 3`, `lb_frontend_connections_total{frontend="l4",service="b"} 0`,
		`lb_http_requests_total{code="404",method="GET",service="a"} 1`, `lb_frontend_active_connections{frontend="l4",service="a"} 0`,
	})
	lb.stop()
}

// TestSharedDrain pins that the drain of services that share a listener waits for the
// connections of each, and that the shutdown is clean.
func TestSharedDrain(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 2)
	l7 := testkit.ReserveAddr(t)
	lb := serveServices(t, "LB_SERVICES=a,b", "LB_A_BACKENDS="+b[0].addr, "LB_B_BACKENDS="+b[1].addr,
		"LB_A_L7_LISTEN="+l7, "LB_A_PATHS=/slow", "LB_B_L7_LISTEN="+l7)
	slow, idle := dial(t, l7), dial(t, l7)
	request(t, slow, "/slow?body=3s")
	request(t, idle, "/")
	wantStatus(t, idle, http.StatusOK)
	if _, err := slow.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	lb.signal(syscall.SIGTERM)
	lb.awaitOutput(1, `msg="still draining" l4=0 l7=1 services=a:1`)
	if _, err := io.Copy(io.Discard, slow); err != nil {
		t.Errorf("the response that was on its way: %v", err)
	}
	_ = slow.Close()
	lb.wantExit(exitOK)
}

// TestSharedHandover replaces a process whose services share listeners, under load: no
// client is refused, reset or cut off.
func TestSharedHandover(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 2)
	l4, l7, admin := testkit.ReserveAddr(t), testkit.ReserveAddr(t), testkit.ReserveAddr(t)
	settings := []string{"LB_SERVICES=a,b", "LB_A_BACKENDS=" + b[0].addr, "LB_B_BACKENDS=" + b[1].addr, "LB_HEALTH_CHECK=off", "LB_REUSE_PORT=on",
		"LB_A_L4_LISTEN=" + l4, "LB_A_SNI=a.example.com", "LB_B_L4_LISTEN=" + l4,
		"LB_A_L7_LISTEN=" + l7, "LB_A_PATHS=/a", "LB_B_L7_LISTEN=" + l7, "LB_ADMIN_LISTEN=" + admin}
	old := serveServices(t, settings...)
	load := newLoad()
	onL4, onL7 := &tally{t: t, kind: "L4 connection"}, &tally{t: t, kind: "HTTP request"}
	load.each(100, func() { onL4.count(askOnce(l4)) })
	load.each(100, func() { onL7.count(askOnce(l7)) })
	successor := serveServices(t, settings...)
	testkit.Eventually(t, "the successor to be ready", func() bool {
		a, err := ask(admin, "/readyz")
		return err == nil && a.status == http.StatusOK
	})
	old.signal(syscall.SIGTERM)
	old.wantExit(exitOK)
	load.stop()
	t.Logf("%d connections, %d requests", onL4.done.Load(), onL7.done.Load())
	successor.stop()
}

// TestSharedTLS pins that a name decides where the shared listener ends TLS, for L4 and L7.
func TestSharedTLS(t *testing.T) {
	curl := testkit.Need(t, "curl", "curl")
	t.Parallel()
	b := startBackends(t, 2)
	authority := testkit.NewAuthority(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte(authority.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key := authority.Issue(t, "a.example.com", "b.example.com", "c.example.com").Files(t, t.TempDir(), "all")
	l4, l7 := testkit.ReserveAddr(t), testkit.ReserveAddr(t)
	lb := serveServices(t, "LB_SERVICES=a,b", "LB_A_BACKENDS="+b[0].addr, "LB_B_BACKENDS="+b[1].addr,
		"LB_L4_TLS=on", "LB_L7_TLS=on", "LB_TLS_CERT_FILE="+cert, "LB_TLS_KEY_FILE="+key,
		"LB_A_L4_LISTEN="+l4, "LB_A_SNI=a.example.com", "LB_B_L4_LISTEN="+l4, "LB_B_SNI=b.example.com",
		"LB_A_L7_LISTEN="+l7, "LB_A_HOSTS=a.example.com", "LB_B_L7_LISTEN="+l7)
	for _, addr := range []string{l4, l7} {
		host, port, _ := net.SplitHostPort(addr)
		for name, want := range map[string]string{"a.example.com": "backend 1", "b.example.com": "backend 2"} {
			got := output(t, exec.Command(curl, "-sS", "--cacert", ca, "--resolve", name+":"+port+":"+host, "https://"+name+":"+port+"/"))
			if strings.TrimSpace(got) != want {
				t.Errorf("%s at %s: %q, want %q", name, addr, got, want)
			}
		}
	}
	if _, err := handshake(l4, "c.example.com", authority); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("a name of no service: %v", err)
	}
	wantTexts(t, "/metrics", mustAsk(t, lb.admin, "/metrics"), []string{
		`lb_frontend_connections_total{frontend="l4",service="b"} 1`, `lb_frontend_connections_total{frontend="l7",service="b"} 1`})
	lb.stop()
}

// TestHelloOfAnyShape pins that a hello finds its way with keys of ML-KEM, in single bytes
// and with bytes of the server's before it is complete.
func TestHelloOfAnyShape(t *testing.T) {
	nginx := testkit.Need(t, "nginx", "nginx")
	t.Parallel()
	authority := testkit.NewAuthority(t)
	a, other := startTLSSite(t, nginx, "a.example.com", authority), startTLSSite(t, nginx, "b.example.com", authority)
	shared := testkit.ReserveAddr(t)
	lb := serveServices(t, "LB_SERVICES=a,b", "LB_A_BACKENDS="+a, "LB_B_BACKENDS="+other, "LB_HEALTH_CHECK=tcp",
		"LB_A_L4_LISTEN="+shared, "LB_A_SNI=a.example.com", "LB_B_L4_LISTEN="+shared)
	for _, tt := range []struct {
		name, want string
		groups     []tls.CurveID
		wrap       func(net.Conn) net.Conn
	}{
		{"a.example.com", "a.example.com", []tls.CurveID{tls.X25519MLKEM768, tls.X25519}, func(c net.Conn) net.Conn { return c }},
		{"b.example.com", "b.example.com", []tls.CurveID{tls.X25519MLKEM768, tls.X25519}, func(c net.Conn) net.Conn { return c }},
		{"a.example.com", "a.example.com", []tls.CurveID{tls.X25519}, func(c net.Conn) net.Conn { return bytewise{c} }},
		{"a.example.com", "a.example.com", []tls.CurveID{tls.X25519MLKEM768, tls.X25519}, func(c net.Conn) net.Conn { return bytewise{c} }},
	} {
		conn := tls.Client(tt.wrap(dial(t, shared)), &tls.Config{ServerName: tt.name, RootCAs: authority.Pool(), CurvePreferences: tt.groups})
		_, err := fmt.Fprintf(conn, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n", tt.name)
		text, readErr := io.ReadAll(conn)
		if err := errors.Join(err, readErr); err != nil || !strings.Contains(string(text), tt.want+" "+tt.name) {
			t.Errorf("%s with %v: %v\n%s", tt.name, tt.groups, err, text)
		}
		_ = conn.Close()
	}
	lb.stop()
}

// bytewise writes byte by byte.
type bytewise struct{ net.Conn }

func (b bytewise) Write(p []byte) (n int, err error) {
	for ; n < len(p) && err == nil; n++ {
		_, err = b.Conn.Write(p[n : n+1])
		if n%100 == 0 {
			time.Sleep(time.Millisecond) // so that some are read alone
		}
	}
	return n, err
}
