package testkit

import (
	"os"
	"testing"
)

// Descriptors returns the number of open file descriptors of this process.
func Descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/dev/fd") // on Linux a link to /proc/self/fd
	if err != nil {
		t.Fatal(err)
	}
	return len(entries) - 1 // without the one that reads the directory
}
