//go:build linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// authorityFile writes the certificate of an authority to a file.
func authorityFile(t *testing.T, ca *testkit.Authority) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, []byte(ca.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func hostOf(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	return host
}

// secureNginx starts an nginx that speaks TLS with this certificate. Its responses contain
// the number of the connection and the name in the client's certificate. It demands a certificate of the authority,
// if there is one.
func secureNginx(t *testing.T, nginx string, pair testkit.Pair, addr, clientCA string) {
	t.Helper()
	cert, key := pair.Files(t, t.TempDir(), "server")
	demand := ""
	if clientCA != "" {
		demand = "ssl_verify_client on; ssl_client_certificate " + clientCA + ";"
	}
	startNginxWith(t, nginx, addr, fmt.Sprintf(`
	server {
		listen %s ssl;
		ssl_certificate %s;
		ssl_certificate_key %s;
		%s
		return 200 "connection $connection name $ssl_server_name client $ssl_client_s_dn host $host proto $http_x_forwarded_proto";
	}`, addr, cert, key, demand))
}

// TestNginxBackendTLS runs L7 and L4 in front of nginx with TLS, which demands a certificate:
// the connections are kept, probes make the same handshake, and nothing is sent to a backend
// without a valid certificate.
func TestNginxBackendTLS(t *testing.T) {
	nginx := testkit.Need(t, "nginx", "nginx")
	t.Parallel()
	ca := testkit.NewAuthority(t)
	caFile := authorityFile(t, ca)
	own := ca.Issue(t, "fourseven")
	cert, key := own.Files(t, t.TempDir(), "own")
	addrs := map[string]string{}
	for name, pair := range map[string]func(addr string) testkit.Pair{
		"good":              func(addr string) testkit.Pair { return ca.Issue(t, "api.example.com", hostOf(addr)) },
		"another authority": func(addr string) testkit.Pair { return testkit.NewAuthority(t).Issue(t, hostOf(addr)) },
		"another name":      func(string) testkit.Pair { return ca.Issue(t, "www.example.com") },
		"expired":           func(addr string) testkit.Pair { return ca.IssueUntil(t, time.Now().Add(-time.Minute), hostOf(addr)) },
	} {
		addrs[name] = testkit.ReserveAddr(t)
		secureNginx(t, nginx, pair(addrs[name]), addrs[name], caFile)
	}
	settings := []string{"LB_BACKEND_TLS_CA_FILE=" + caFile, "LB_BACKEND_TLS_CERT_FILE=" + cert, "LB_BACKEND_TLS_KEY_FILE=" + key, "LB_L7_BACKEND_KEEPALIVE=1m"}
	lb := serve(t, append(settings, "LB_BACKENDS=https://"+addrs["good"]+",https://"+addrs["another authority"]+",https://"+addrs["another name"]+",https://"+addrs["expired"])...)
	lb.awaitHealthy(margin, addrs["good"])
	wantTexts(t, "the log", lb.output(), []string{
		"certificate signed by unknown authority", "LB_BACKEND_TLS_CA is for the authority", "certificate has expired",
		"LB_BACKEND_TLS_NAME is for the name",
	})
	first := mustAsk(t, lb.l7, "/")
	for range 5 {
		if got := mustAsk(t, lb.l7, "/"); got != first {
			t.Errorf("got %q, then %q", first, got)
		}
	}
	if !strings.Contains(first, "client CN=fourseven") || !strings.Contains(first, "proto http") {
		t.Errorf("nginx says %q", first)
	}
	if got := mustAsk(t, lb.l4, "/"); !strings.Contains(got, "client CN=fourseven") || strings.Contains(got, "proto http") {
		t.Errorf("nginx says over L4 %q", got)
	}
	if text := lb.output() + mustAsk(t, lb.admin, "/api/config") + mustAsk(t, lb.admin, "/api/backends"); strings.Contains(text, strings.Split(own.Key, "\n")[1]) {
		t.Error("the key is shown")
	}

	// A name for all of them, and no certificate of our own.
	named := serve(t, "LB_BACKENDS="+addrs["good"], "LB_BACKEND_TLS=on", "LB_BACKEND_TLS_CA_FILE="+caFile, "LB_BACKEND_TLS_NAME=api.example.com", "LB_HEALTH_CHECK=off",
		"LB_BACKEND_TLS_CERT_FILE="+cert, "LB_BACKEND_TLS_KEY_FILE="+key)
	if got := mustAsk(t, named.l7, "/"); !strings.Contains(got, "name api.example.com") {
		t.Errorf("nginx says %q", got)
	}
	nobody := serve(t, "LB_BACKENDS=https://"+addrs["good"], "LB_BACKEND_TLS_CA_FILE="+caFile, "LB_HEALTH_CHECK=http", "LB_HEALTH_PATH=/")
	nobody.awaitHealthy(margin)
	nobody.awaitOutput(1, "GET /: status 400") // nginx's own error: no required SSL certificate was sent
	trusting := serve(t, "LB_BACKENDS=https://"+addrs["another authority"], "LB_BACKEND_TLS_VERIFY=off", "LB_BACKEND_TLS_CERT_FILE="+cert, "LB_BACKEND_TLS_KEY_FILE="+key)
	trusting.awaitOutput(1, `setting=LB_BACKEND_TLS_VERIFY why="off: the certificates of backends are not verified`)
	if got := mustAsk(t, trusting.l7, "/"); !strings.Contains(got, "client CN=fourseven") {
		t.Errorf("nginx says %q", got)
	}
	refusing := serve(t, "LB_BACKENDS=https://"+addrs["another name"], "LB_BACKEND_TLS_CA_FILE="+caFile, "LB_HEALTH_CHECK=off")
	if a, err := ask(refusing.l7, "/"); err != nil || a.status != 503 || !strings.Contains(a.body, "Backend server https://"+addrs["another name"]+" is not healthy") {
		t.Errorf("got %+v, %v", a, err)
	}
	refusing.awaitOutput(1, `level=WARN msg="TLS handshake with backend failed" backend=`+addrs["another name"])
}

// TestRedisBackendTLS runs the recipe for Redis with TLS behind, for clients without it,
// through a change of a server's certificate: to one that is as good, and to one that is not.
func TestRedisBackendTLS(t *testing.T) {
	testkit.Need(t, "redis-server", "redis-server")
	testkit.Need(t, "redis-cli", "redis-tools")
	t.Parallel()
	ca, dir := testkit.NewAuthority(t), t.TempDir()
	caFile := authorityFile(t, ca)
	addr := testkit.Host() + ":6379"
	cert, key := ca.Issue(t, hostOf(addr)).Files(t, dir, "server")
	server := start(t, exec.Command("redis-server", "--port", "0", "--tls-port", "6379", "--bind", hostOf(addr), "--save", "", "--appendonly", "no", "--dir", dir,
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", caFile))
	server.awaitOutput(1, "Ready to accept connections")
	ownCert, ownKey := ca.Issue(t, "fourseven").Files(t, dir, "own")
	lb := runRecipe(t, recipe(t, "redis-tls", "redis1:6379", addr, "redis2:6379", testkit.ReserveAddr(t),
		"/run/secrets/ca.pem", caFile, "/run/secrets/lb.crt", ownCert, "/run/secrets/lb.key", ownKey))
	lb.awaitHealthy(margin, addr)
	do := func(at string, args ...string) string {
		out, err := redisCommand(t, "redis-cli", at, args...).CombinedOutput()
		if err != nil {
			t.Errorf("redis-cli %s: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if got := do(lb.l4, "SET", "key", "value"); got != "OK" {
		t.Errorf("SET: %s", got)
	}
	change := func(pair testkit.Pair, name string) {
		cert, key := pair.Files(t, dir, name)
		if got := do(lb.l4, "CONFIG", "SET", "tls-cert-file", cert, "tls-key-file", key); got != "OK" {
			t.Errorf("CONFIG SET: %s", got)
		}
	}
	change(ca.Issue(t, hostOf(addr)), "renewed")
	for range 20 {
		if got := do(lb.l4, "GET", "key"); got != "value" {
			t.Errorf("with the renewed certificate: %s", got)
		}
	}
	change(testkit.NewAuthority(t).Issue(t, hostOf(addr)), "foreign")
	lb.awaitOutput(1, `level=ERROR msg="backend down" backend=`+addr)
	wantTexts(t, "the log", lb.output(), []string{"certificate signed by unknown authority"})
}
