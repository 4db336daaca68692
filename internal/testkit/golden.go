package testkit

import (
	"bytes"
	"os"
	"testing"
)

// Golden compares got with a file that the command with -update rewrites. With update, it
// writes the file.
func Golden(t testing.TB, file string, got []byte, update bool, command string) {
	t.Helper()
	if update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not up to date: %s -update rewrites it; got:\n%s", file, command, got)
	}
}
