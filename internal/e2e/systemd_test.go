//go:build linux

package e2e

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"fourseven/internal/config"
	"fourseven/internal/testkit"
)

const unitFile = "deploy/systemd/fourseven.service"

// mostExposed is in tenths of what systemd-analyze security rates, from 0 to 10.
const mostExposed = "20"

// TestSystemdUnit checks the unit as systemd reads it, and how much it leaves open.
func TestSystemdUnit(t *testing.T) {
	testkit.Need(t, "systemd-analyze", "systemd")
	unit := readFile(t, unitFile)
	if complaints := verifyUnit(t, unit); complaints != "" {
		t.Error(complaints)
	}
	path := unitWith(t, unit)
	output(t, exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold="+mostExposed, path))
}

// TestSystemdCheckIsStrict pins that the check would find the usual mistakes.
func TestSystemdCheckIsStrict(t *testing.T) {
	testkit.Need(t, "systemd-analyze", "systemd")
	unit := readFile(t, unitFile)
	for _, tt := range []struct{ old, new, want string }{
		{"KillMode=", "KilMode=", "KilMode"},
		{"KillMode=mixed", "KillMode=gentle", "gentle"},
		{"TimeoutStopSec=45s", "TimeoutStopSec=45 parsecs", "parsecs"},
		{"=@system-service", "=@systemservice", "@systemservice"},
		{"/bin/kill", "/bin/no-such-program", "no-such-program"},
	} {
		bad := strings.Replace(unit, tt.old, tt.new, 1)
		if got := verifyUnit(t, bad); !strings.Contains(got, tt.want) {
			t.Errorf("%s instead of %s: got %q, want %q", tt.new, tt.old, got, tt.want)
		}
	}
}

// TestSystemdSettings wants settings that fourseven takes, and a unit that gives
// their drain its time.
func TestSystemdSettings(t *testing.T) {
	settings := strings.ReplaceAll(readFile(t, "deploy/systemd/fourseven.env"), "/etc/fourseven/", "deploy/systemd/")
	cfg, err := config.Load(regexp.MustCompile(`(?m)^LB_.*$`).FindAllString(settings, -1))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cfg.Services[0].Backends.String(), "10.0.0.1:8080,10.0.0.2:8080"; got != want {
		t.Errorf("backends: got %s, want %s", got, want)
	}
	m := regexp.MustCompile(`(?m)^TimeoutStopSec=(.*)$`).FindStringSubmatch(readFile(t, unitFile))
	timeout, err := time.ParseDuration(m[1])
	if drain := cfg.ShutdownDelay + cfg.DrainTimeout; err != nil || timeout <= drain {
		t.Errorf("TimeoutStopSec is %s, %v, want more than %s", timeout, err, drain)
	}
}

// verifyUnit returns what systemd complains of. A misspelt name is a warning to it.
func verifyUnit(t *testing.T, unit string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command("systemd-analyze", "verify", "--no-pager", unitWith(t, unit))
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && out.Len() == 0 {
		t.Fatal(err)
	}
	return out.String()
}

// unitWith writes a unit to a file of its own, with a program that is there.
func unitWith(t *testing.T, unit string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(unitFile))
	unit = strings.ReplaceAll(unit, "/usr/local/bin/fourseven", program)
	if err := os.WriteFile(path, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestSystemdHandoverUnit checks the unit for systemd as systemd reads it.
func TestSystemdHandoverUnit(t *testing.T) {
	testkit.Need(t, "systemd-analyze", "systemd")
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

// TestSystemdNotify pins what a service manager is told: that the program is ready when all
// listeners are open, and that it stops.
func TestSystemdNotify(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = manager.Close() }()
	_ = manager.SetDeadline(time.Now().Add(testkit.Patience))
	cmd := fourseven(quick(backendsOf(startBackends(t, 1))))
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+path)
	p := start(t, cmd)
	wantTold(t, manager, "READY=1")
	p.awaitOutput(1, "frontend=admin")
	p.stop()
	wantTold(t, manager, "STOPPING=1")
}

func wantTold(t *testing.T, manager *net.UnixConn, want string) {
	t.Helper()
	text := make([]byte, 100)
	n, err := manager.Read(text)
	if got := string(text[:n]); err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}
