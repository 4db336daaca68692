//go:build linux

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"fourseven/internal/config"
)

const unitFile = "deploy/systemd/fourseven.service"

// mostExposed is in tenths of what systemd-analyze security rates, from 0 to 10.
const mostExposed = "20"

// TestSystemdUnit checks the unit as systemd reads it, and how much it leaves open.
func TestSystemdUnit(t *testing.T) {
	need(t, "systemd-analyze", "systemd")
	unit := readFile(t, unitFile)
	if complaints := verifyUnit(t, unit); complaints != "" {
		t.Error(complaints)
	}
	path := unitWith(t, unit)
	output(t, exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold="+mostExposed, path))
}

// TestSystemdCheckIsStrict pins that the check would find the usual mistakes.
func TestSystemdCheckIsStrict(t *testing.T) {
	need(t, "systemd-analyze", "systemd")
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
	if got, want := cfg.Backends.String(), "10.0.0.1:8080,10.0.0.2:8080"; got != want {
		t.Errorf("backends: got %s, want %s", got, want)
	}
	m := regexp.MustCompile(`(?m)^TimeoutStopSec=(.*)$`).FindStringSubmatch(readFile(t, unitFile))
	timeout, err := time.ParseDuration(m[1])
	if drain := cfg.ShutdownDelay + cfg.DrainTimeout; err != nil || timeout <= drain {
		t.Errorf("TimeoutStopSec is %s, %v, want more than %s", timeout, err, drain)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
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
