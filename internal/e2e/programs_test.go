//go:build linux

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

// needDocker skips the test where there is no Docker engine.
func needDocker(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("docker", "version").CombinedOutput(); err != nil {
		t.Logf("docker version: %v\n%s", err, out)
		testkit.Missing(t, "a Docker engine")
	}
}

// needStrict skips the test where the modules of the check cannot be had.
func needStrict(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("go", "mod", "download", "-C", strictDir).CombinedOutput(); err != nil {
		testkit.Missing(t, "the modules of "+strictDir+": "+string(out))
	}
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	return output(t, exec.Command("docker", args...))
}

func goTool(t *testing.T, args ...string) string {
	t.Helper()
	return output(t, exec.Command("go", args...))
}

// output runs a command that must succeed.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, out, stderr.Bytes())
	}
	return strings.TrimSpace(string(out))
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
