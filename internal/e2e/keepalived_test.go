//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/demo"
	"fourseven/internal/testkit"
)

// TestKeepalivedMovesAddress runs two instances on hosts of their own, with one address between them
// that keepalived moves, as deploy/keepalived sets it up. When the active
// instance dies, and when its host does, new connections work again within 3 s.
func TestKeepalivedMovesAddress(t *testing.T) {
	testkit.Need(t, "keepalived", "keepalived")
	testkit.Need(t, "curl", "curl")
	for _, tt := range []struct {
		name string
		dies func(*testing.T, *vrrpHost)
	}{
		{"the instance dies", func(_ *testing.T, h *vrrpHost) { h.lb.kill() }},
		{"the host dies", func(t *testing.T, h *vrrpHost) { h.ip(t, "link", "set", "eth0", "down") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lan, hosts := startVRRP(t)
			var active *vrrpHost
			testkit.Eventually(t, "one host to have the address", func() bool {
				active = hosts.active(t)
				return active == hosts[0]
			})
			if err := answers(t, lan); err != nil {
				t.Fatal(err)
			}
			tt.dies(t, active)
			began := time.Now()
			for err := answers(t, lan); err != nil; err = answers(t, lan) {
				if time.Since(began) > testkit.Patience {
					t.Fatalf("no new connections: %v", err)
				}
			}
			took := time.Since(began).Round(10 * time.Millisecond)
			t.Logf("new connections work again after %s", took)
			if took > mostFailover+margin {
				t.Errorf("took %s, want %s at most", took, mostFailover)
			}
		})
	}
}

// mostFailover is how long new connections may fail.
const mostFailover = 3 * time.Second

// TestKeepalivedTimes pins what a busy machine cannot be measured for: that the times
// in the example add up to less than mostFailover. A host is taken for dead after three
// advertisements that did not come, and a bit of a fourth; fourseven after its checks.
func TestKeepalivedTimes(t *testing.T) {
	conf := keepalivedConf(t, 0)
	seconds := func(name string) float64 {
		m := regexp.MustCompile(`(?m)^\s*` + name + `\s+([\d.]+)`).FindStringSubmatch(conf)
		if m == nil {
			t.Fatalf("no %s in the example", name)
		}
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if sum := seconds("interval")*seconds("fall") + 4*seconds("advert_int"); sum > mostFailover.Seconds() {
		t.Errorf("it takes %.1f s to notice, want %s at most", sum, mostFailover)
	}
}

// sharedAddr is the address that the two hosts share, backendAddr that of the
// backend, which is on the clients' host.
const sharedAddr, backendAddr = "10.47.3.100:9000", "10.47.3.1:8001"

// vrrpHost is one of the two.
type vrrpHost struct {
	namespace
	lb *balancer
}

type vrrpHosts [2]*vrrpHost

// startVRRP starts a network of clients, a backend and two hosts.
func startVRRP(t *testing.T) (lan namespace, hosts vrrpHosts) {
	t.Helper()
	lan = newNamespace(t, "lan")
	lan.ip(t, "link", "add", "br0", "type", "bridge")
	lan.ip(t, "addr", "add", "10.47.3.1/24", "dev", "br0")
	lan.ip(t, "link", "set", "br0", "up")
	ln := lan.listen(t, backendAddr)
	srv := &http.Server{Handler: demo.Backend(1), ReadHeaderTimeout: testkit.Patience}
	donec := make(chan struct{})
	go func() { _ = srv.Serve(ln); close(donec) }()
	t.Cleanup(func() { _ = srv.Close(); <-donec })
	for i := range hosts {
		hosts[i] = startVRRPHost(t, lan, i)
	}
	return lan, hosts
}

func startVRRPHost(t *testing.T, lan namespace, i int) *vrrpHost {
	t.Helper()
	h := &vrrpHost{namespace: newNamespace(t, fmt.Sprintf("host%d", i))}
	port := fmt.Sprintf("port%d", i)
	lan.ip(t, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", string(h.namespace))
	lan.ip(t, "link", "set", port, "master", "br0", "up")
	h.ip(t, "addr", "add", fmt.Sprintf("10.47.3.%d/24", 11+i), "dev", "eth0")
	h.ip(t, "link", "set", "eth0", "up")
	h.lb = listening(t, within(h.namespace, fourseven(quick(
		"LB_L4_LISTEN=:9000", "LB_L7_LISTEN=off", "LB_ADMIN_LISTEN=127.0.0.1:9900", "LB_BACKENDS="+backendAddr))))
	dir := t.TempDir()
	file := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(file, []byte(keepalivedConf(t, i)), 0o600); err != nil {
		t.Fatal(err)
	}
	keepalived := start(t, within(h.namespace, exec.Command("keepalived", "--vrrp", "--dont-fork", "--log-console",
		"--use-file", file, "--pid", filepath.Join(dir, "pid"), "--vrrp_pid", filepath.Join(dir, "vrrp_pid"))))
	t.Cleanup(func() {
		_ = keepalived.cmd.Process.Signal(syscall.SIGTERM) // it takes its child along
		keepalived.exitCode()
	})
	return h
}

// keepalivedConf returns the example's file for the first or the second host.
func keepalivedConf(t *testing.T, i int) string {
	t.Helper()
	text, err := os.ReadFile("deploy/keepalived/keepalived.conf")
	if err != nil {
		t.Fatal(err)
	}
	if i == 0 {
		return string(text)
	}
	return strings.Replace(string(text), "priority 150", "priority 100", 1)
}

// active returns the host that has the shared address, or nil.
func (hs vrrpHosts) active(t *testing.T) *vrrpHost {
	t.Helper()
	host, _, _ := strings.Cut(sharedAddr, ":")
	for _, h := range hs {
		addrs := output(t, exec.Command("ip", "-n", string(h.namespace), "-o", "addr", "show", "dev", "eth0"))
		if strings.Contains(addrs, host+"/") {
			return h
		}
	}
	return nil
}

// answers makes a new connection to the shared address and asks the backend
// behind it.
func answers(t *testing.T, lan namespace) error {
	t.Helper()
	var conn net.Conn
	var err error
	lan.within(t, func() error {
		conn, err = net.DialTimeout("tcp4", sharedAddr, 200*time.Millisecond)
		return nil
	})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	got, err := io.ReadAll(conn)
	if err == nil && !strings.HasSuffix(string(got), "backend 1\n") {
		return fmt.Errorf("got %q", got)
	}
	return err
}
