//go:build linux

package e2e

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestRedis is the walk-through over L4 with a protocol that is not HTTP.
func TestRedis(t *testing.T) {
	testkit.Need(t, "redis-server", "redis-server")
	testkit.Need(t, "redis-cli", "redis-tools")
	testkit.Need(t, "redis-benchmark", "redis-tools")
	t.Parallel()
	one, two := startRedis(t, testkit.ReserveAddr(t)), startRedis(t, testkit.ReserveAddr(t))
	lb := serve(t, "LB_BACKENDS="+one.addr+","+two.addr, "LB_L7_LISTEN=off")

	wantRedis(t, lb.l4, one, two, one, two)
	bench(t, lb.l4, "-n", "5000", "-c", "20", "-t", "ping,set,get,incr,lpush,mset")
	bench(t, lb.l4, "-n", "1000", "-c", "8", "-d", "65536", "-t", "set,get")
	bench(t, lb.l4, "-n", "20000", "-c", "4", "-P", "50", "-t", "set,get")

	// Not one new connection fails once redis 1 is gone, noticed or not.
	one.kill()
	wantRedis(t, lb.l4, two, two, two, two)
	bench(t, lb.l4, "-n", "2000", "-c", "20", "-t", "ping,set,get")
	lb.awaitHealthy(interval+fastInterval+margin, two.addr)
	wantRedis(t, lb.l4, two, two, two, two)

	two.kill()
	for range 4 { // noticed or not
		wantNoRedis(t, lb.l4)
	}
	lb.awaitHealthy(interval + fastInterval + margin)
	wantNoRedis(t, lb.l4)

	two = startRedis(t, two.addr)
	lb.awaitHealthy(fastInterval+margin, two.addr)
	wantRedis(t, lb.l4, two, two, two, two)
	one = startRedis(t, one.addr)
	lb.awaitHealthy(fastInterval+margin, one.addr, two.addr)
	if redisPort(t, lb.l4) == one.port() {
		wantRedis(t, lb.l4, two, one, two, one)
	} else {
		wantRedis(t, lb.l4, one, two, one, two)
	}
	bench(t, lb.l4, "-n", "5000", "-c", "20", "-t", "ping,set,get")
}

// redis is a redis-server process.
type redis struct {
	*process
	addr string
}

func (r *redis) host() string {
	host, _, _ := net.SplitHostPort(r.addr)
	return host
}

func (r *redis) port() string {
	_, port, _ := net.SplitHostPort(r.addr)
	return port
}

func startRedis(t *testing.T, addr string) *redis {
	t.Helper()
	r := &redis{addr: addr}
	r.process = start(t, exec.Command("redis-server",
		"--bind", r.host(), "--port", r.port(), "--save", "", "--appendonly", "no", "--dir", t.TempDir()))
	r.awaitOutput(1, "Ready to accept connections")
	return r
}

// wantRedis wants a new connection to reach each of these servers.
func wantRedis(t *testing.T, addr string, want ...*redis) {
	t.Helper()
	var got, ports []string
	for _, r := range want {
		ports = append(ports, r.port())
		got = append(got, redisPort(t, addr))
	}
	if !slices.Equal(got, ports) {
		t.Errorf("reached the servers on ports %s, want %s", got, ports)
	}
}

// redisPort asks the server that is reached for its own port.
func redisPort(t *testing.T, addr string) string {
	t.Helper()
	out, err := redisCommand(t, "redis-cli", addr, "CONFIG", "GET", "port").CombinedOutput()
	_, port, ok := strings.Cut(strings.TrimSpace(string(out)), "port\n")
	if err != nil || !ok {
		t.Errorf("redis-cli: %v\n%s", err, out)
	}
	return port
}

// wantNoRedis wants redis-cli to fail at once.
func wantNoRedis(t *testing.T, addr string) {
	t.Helper()
	began := time.Now()
	out, err := redisCommand(t, "redis-cli", addr, "PING").CombinedOutput()
	if err == nil || bytes.Contains(out, []byte("PONG")) {
		t.Errorf("redis-cli passed, want a failure: %s", out)
	}
	if took := time.Since(began); took > margin {
		t.Errorf("redis-cli failed after %s, want at once", took)
	}
}

// bench wants redis-benchmark to pass without an error. It measures nothing.
func bench(t *testing.T, addr string, args ...string) {
	t.Helper()
	out, err := redisCommand(t, "redis-benchmark", addr, append([]string{"-q"}, args...)...).CombinedOutput()
	if err != nil || benchTrouble.Match(out) || !bytes.Contains(out, []byte("requests per second")) {
		t.Errorf("redis-benchmark %s: %v\n%s", args, err, out)
	}
}

var benchTrouble = regexp.MustCompile(`(?i)error|warn|closed|refused|reset`)

func redisCommand(t *testing.T, program, addr string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*testkit.Patience)
	t.Cleanup(cancel)
	host, port, _ := net.SplitHostPort(addr)
	return exec.CommandContext(ctx, program, append([]string{"-h", host, "-p", port}, args...)...)
}
