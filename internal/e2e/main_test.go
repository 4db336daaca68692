//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The backends that the tests put behind the program are this test binary, started
// again in a role.
const (
	roleVariable = "FOURSEVEN_TEST_ROLE"
	roleBackend  = "backend"
)

// program is the path of the fourseven under test. TestMain builds it once, with the
// race detector if the tests run under it.
var program string

// self is the path of the test binary.
var self string

func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == roleBackend {
		os.Exit(runBackend(os.Args[1], os.Args[2]))
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if self, err = os.Executable(); err != nil {
		return failed(err)
	}
	dir, err := os.MkdirTemp("", "fourseven-e2e-")
	if err != nil {
		return failed(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chdir("../.."); err != nil { // the tests name files as the README does
		return failed(err)
	}
	program = filepath.Join(dir, "fourseven")
	args := []string{"build", "-o", program}
	if raceEnabled {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, ".")...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return failed(fmt.Errorf("go build: %w", err))
	}
	return m.Run()
}

// failed reports what keeps the tests, or a backend, from running.
func failed(err error) int {
	fmt.Fprintln(os.Stderr, "e2e:", err)
	return 1
}
