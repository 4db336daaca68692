//go:build linux

package e2e

import (
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

// TestProxyProtocolRecipe runs the recipe for backends that demand the PROXY header.
func TestProxyProtocolRecipe(t *testing.T) {
	nginx := testkit.Need(t, "nginx", "nginx")
	t.Parallel()
	addr := startNginx(t, nginx)
	lb := runRecipe(t, recipe(t, "proxy-protocol", "web1:8443", addr, "web2:8443", testkit.ReserveAddr(t)))
	lb.awaitHealthy(margin, addr)
	if got := mustAsk(t, lb.l4, "/health"); got != "client 127.0.0.1" {
		t.Errorf("got %q", got)
	}
}

// TestVirtualHostRecipe runs the recipe for a web server that answers only to the names
// of its sites.
func TestVirtualHostRecipe(t *testing.T) {
	nginx := testkit.Need(t, "nginx", "nginx")
	t.Parallel()
	ready, busy := testkit.ReserveAddr(t), testkit.ReserveAddr(t)
	for addr, state := range map[string]string{ready: "true", busy: "false"} {
		startNginxWith(t, nginx, addr, `
	server { listen `+addr+` default_server; return 444; }
	server {
		listen `+addr+`;
		server_name api.example.com;
		location = /ready { default_type application/json; return 200 '{"ready": `+state+`, "for": "$http_accept"}'; }
	}`)
	}
	settings := recipe(t, "virtual-host", "web1:8080", ready, "web2:8080", busy)
	lb := runRecipe(t, settings)
	lb.awaitHealthy(margin, ready)
	lb.awaitOutput(1, `got \"{\\\"ready\\\": false, \\\"for\\\": \\\"application/json\\\"}\"`)
	req := mustRequest(t, lb.l7, "/ready")
	req.Host = "api.example.com"
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), `"ready": true`) {
		t.Errorf("got %q, %v", body, err)
	}

	settings = slices.DeleteFunc(settings, func(kv string) bool { return strings.HasPrefix(kv, "LB_HEALTH_HOST=") })
	nameless := runRecipe(t, settings)
	nameless.awaitHealthy(margin)
	nameless.awaitOutput(2, "GET /ready: the connection was closed without a response")
}

// TestGRPC runs the recipe for gRPC: with LB_L4_MAX_AGE one client with one channel
// reaches both servers, and no call fails.
func TestGRPC(t *testing.T) {
	t.Parallel()
	const dir = "testdata/grpc"
	if out, err := exec.Command("go", "mod", "download", "-C", dir).CombinedOutput(); err != nil {
		testkit.Missing(t, "the modules of "+dir+": "+string(out))
	}
	program := t.TempDir() + "/grpc"
	goTool(t, "build", "-C", dir, "-o", program, ".")
	var addrs []string
	for _, name := range []string{"one", "two"} {
		addr := testkit.ReserveAddr(t)
		start(t, exec.Command(program, "serve", addr, name)).awaitOutput(1, "listening")
		addrs = append(addrs, addr)
	}
	settings := recipe(t, "grpc", "dns://grpc-headless:50051", strings.Join(addrs, ","), "5m", "500ms")
	lb := runRecipe(t, append(settings, "LB_ACCESS_LOG=on"))
	served := map[string]int{}
	for line := range strings.Lines(output(t, exec.Command(program, "call", lb.l4, "4s")) + "\n") {
		name, n, _ := strings.Cut(strings.TrimSpace(line), " ")
		served[name], _ = strconv.Atoi(n)
	}
	if served["one"] == 0 || served["two"] == 0 {
		t.Errorf("calls served: %v", served)
	}
	lb.awaitOutput(2, "reason=max_age")
	t.Logf("calls served: %v over %d connections", served, lb.outputCount("msg=connection"))
}
