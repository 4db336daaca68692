package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"fourseven/internal/testkit"
)

var update = flag.Bool("update", false, "write the goldens anew")

// asBench in the environment makes the test binary the bench.
const asBench = "BENCH_TEST_AS_BENCH"

// TestMain lets the test binary play what the bench starts: its roles, and, for
// the tests of signals, itself.
func TestMain(m *testing.M) {
	_, bench := os.LookupEnv(asBench)
	if code, ok := runRole(os.Args[1:]); ok {
		os.Exit(code)
	}
	if bench {
		main()
	}
	goleak.VerifyTestMain(m)
}

// golden compares got with a file of testdata/bench.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	testkit.Golden(t, filepath.Join("..", "testdata", "bench", name), got, *update, "go test ./bench")
}

func TestRunWithoutMeasuring(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string
	}{
		{"help", []string{"-h"}, exitOK, "-rounds number", ""},
		{"list", []string{"-list"}, exitOK, "http64k-256", ""},
		{"unknown flag", []string{"-fast"}, exitUsage, "", "flag provided but not defined: -fast"},
		{"bad duration", []string{"-d", "soon"}, exitUsage, "", `invalid value "soon" for flag -d`},
		{"missing binary", []string{"-bin", "/does/not/exist", "-only", "rt-1,fourseven"}, exitFailure, "", "-bin"},
		{"no such folder", []string{"-json", "/does/not/exist/run.json"}, exitFailure, "", "/does/not/exist"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), tt.args, &stdout, &stderr)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if !strings.Contains(stdout.String(), tt.stdout) || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("stdout %q, stderr %q; want %q, %q in them", &stdout, &stderr, tt.stdout, tt.stderr)
			}
			if code == exitUsage && !strings.Contains(stderr.String(), "-h lists the flags") {
				t.Errorf("stderr %q does not say where help is", &stderr)
			}
		})
	}
}
