//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

// TestFirstTry pins that the README's first command works with what people have: a
// database, and an HTTP server without a health page. Both had been down for ever.
func TestFirstTry(t *testing.T) {
	testkit.Need(t, "redis-server", "redis-server")
	testkit.Need(t, "redis-cli", "redis-tools")
	t.Parallel()
	t.Run("database", func(t *testing.T) {
		db := startRedis(t, testkit.ReserveAddr(t))
		lb := serve(t, "LB_BACKENDS="+db.addr)
		wantRedis(t, lb.l4, db)
		lb.awaitOutput(1, `msg="backend does not speak HTTP, probes only connect" backend=`+db.addr)
		db.kill()
		lb.awaitHealthy(interval + fastInterval + margin)
		lb.awaitOutput(1, `level=ERROR msg="backend down" backend=`+db.addr)
	})
	t.Run("no health page", func(t *testing.T) {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /page", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") })
		web := httptest.NewServer(mux)
		t.Cleanup(web.Close)
		addr := web.Listener.Addr().String()
		lb := serve(t, "LB_BACKENDS="+addr)
		if got := mustAsk(t, lb.l7, "/page") + mustAsk(t, lb.l4, "/page"); got != "a pagea page" {
			t.Errorf("got %q", got)
		}
		lb.awaitOutput(1, `msg="backend without a health page counts as up" backend=`+addr)

		strict := serve(t, "LB_BACKENDS="+addr, "LB_HEALTH_CHECK=http")
		strict.awaitOutput(1, `err="GET /health: status 404" hint="set LB_HEALTH_PATH`)
		wantUnavailable(t, strict.l7, `{"error":"No healthy backends"}`)
	})
}

// TestProbesWithProxyHeader pins that probes of a backend that demands the PROXY header
// begin with one: http and expect probes of it had failed for ever.
func TestProbesWithProxyHeader(t *testing.T) {
	nginx := testkit.Need(t, "nginx", "nginx")
	t.Parallel()
	addr := startNginx(t, nginx)
	for _, tt := range []struct {
		name     string
		settings []string
		up       bool
	}{
		{"http, v1", []string{"LB_PROXY_PROTOCOL_SEND=v1", "LB_HEALTH_CHECK=http"}, true},
		{"http, v2", []string{"LB_PROXY_PROTOCOL_SEND=v2", "LB_HEALTH_CHECK=http"}, true},
		{"expect", []string{"LB_PROXY_PROTOCOL_SEND=v2", `LB_HEALTH_SEND=GET /health HTTP/1.0\r\n\r\n`, "LB_HEALTH_EXPECT=HTTP/1.1 200"}, true},
		{"auto", []string{"LB_PROXY_PROTOCOL_SEND=v1"}, true},
		{"for the probes alone", []string{"LB_HEALTH_PROXY=v2", "LB_HEALTH_CHECK=http"}, true},
		{"off", []string{"LB_PROXY_PROTOCOL_SEND=v2", "LB_HEALTH_PROXY=off", "LB_HEALTH_CHECK=http"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lb := serve(t, append(tt.settings, "LB_BACKENDS="+addr)...)
			if up := lb.outputCount(`msg="healthy set" up=1 of=1`) == 1; up != tt.up {
				t.Errorf("up: %t, want %t", up, tt.up)
			}
			if tt.up && !strings.Contains(strings.Join(tt.settings, " "), "HEALTH_PROXY") {
				if got := mustAsk(t, lb.l4, "/health"); got != "client 127.0.0.1" {
					t.Errorf("over L4: %q", got)
				}
			}
		})
	}
}

// startNginx starts an nginx that demands the PROXY header, and returns its address.
func startNginx(t *testing.T, nginx string) (addr string) {
	t.Helper()
	addr = testkit.ReserveAddr(t)
	startNginxWith(t, nginx, addr, `
	server {
		listen `+addr+` proxy_protocol;
		location = /health { return 200 "client $proxy_protocol_addr"; }
	}`)
	return addr
}

// startNginxWith starts an nginx with these servers, one of which listens at the address.
func startNginxWith(t *testing.T, nginx, addr, servers string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(`daemon off;
master_process off;
error_log stderr;
pid DIR/nginx.pid;
events {}
http {
	access_log off;
	client_body_temp_path DIR/body;
	proxy_temp_path DIR/proxy;
	fastcgi_temp_path DIR/fastcgi;
	uwsgi_temp_path DIR/uwsgi;
	scgi_temp_path DIR/scgi;`+servers+`
}
`, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, exec.Command(nginx, "-p", dir, "-c", file, "-e", "stderr"))
	awaitListener(t, p, addr)
}
