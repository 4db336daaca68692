package testkit

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Missing skips a test that needs something which this machine lacks. With CI=true,
// where nothing may be left out, it fails the test instead.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("needs " + what)
	}
	t.Skip("needs " + what)
}

// Need calls Missing if the program is not in the PATH. It returns the program's path.
func Need(t testing.TB, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		Missing(t, fmt.Sprintf("%s, from the Debian package %s", program, debianPackage))
	}
	return path
}
