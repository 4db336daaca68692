//go:build linux

package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestComposeHandover replaces blue by green as deploy/compose/handover.yml
// says, under load.
func TestComposeHandover(t *testing.T) {
	needDocker(t)
	c := newComposeOf(t, "deploy/compose/handover.yml", map[string][]string{".": {"blue", "green"}})
	l4, l7 := freeAddr(t), freeAddr(t)
	c.env = []string{
		"BACKENDS=" + strings.TrimPrefix(backendsOf(startBackends(t, 2)), "LB_BACKENDS="),
		"L4_PORT=" + port(t, l4), "L7_PORT=" + port(t, l7),
		"BLUE_PORT=" + port(t, freeAddr(t)), "GREEN_PORT=" + port(t, freeAddr(t)),
	}
	c.run("up", "-d", "--no-build", "blue")
	c.waitHealthy("blue")
	load := newLoad()
	tallies := []*tally{{t: t, kind: "L4 connection"}, {t: t, kind: "HTTP request, kept"}}
	load.each(50, func() { tallies[0].count(askOnce(l4)) })
	load.wg.Go(func() { load.keep(l7, tallies[1], 1) })
	for _, next := range [][2]string{{"green", "blue"}, {"blue", "green"}} {
		c.run("up", "-d", "--no-build", next[0])
		c.waitHealthy(next[0])
		c.run("stop", next[1])
		if got := docker(t, "inspect", "--format", "{{.State.ExitCode}}", c.id(next[1])); got != "0" {
			t.Errorf("%s: exit code %s", next[1], got)
		}
	}
	load.stop()
	for _, c := range tallies {
		t.Logf("%s: %d, %d failed", c.kind, c.done.Load(), c.failed.Load())
	}
}

// TestHandoverUnit checks the unit for systemd as systemd reads it.
func TestHandoverUnit(t *testing.T) {
	need(t, "systemd-analyze", "systemd")
	text, err := os.ReadFile("deploy/systemd/fourseven@.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := strings.Replace(string(text), "/usr/local/lib/fourseven/%i/fourseven", "/bin/true", 1)
	for _, tt := range []struct{ old, new, want string }{
		{"", "", ""},
		{"TimeoutStopSec", "TimeoutStepSec", "TimeoutStepSec"}, // it would find that
	} {
		path := filepath.Join(t.TempDir(), "fourseven@.service")
		if err := os.WriteFile(path, []byte(strings.Replace(unit, tt.old, tt.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("systemd-analyze", "verify", "--no-pager", path).CombinedOutput()
		if err != nil || tt.want == "" && len(out) > 0 || !strings.Contains(string(out), tt.want) {
			t.Errorf("got %q, %v, want %q", out, err, tt.want)
		}
	}
}

func port(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
