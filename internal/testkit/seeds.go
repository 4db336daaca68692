package testkit

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// RequestSeeds returns the requests of the wire samples in the folder, as seeds for
// fuzzing: the README of testdata/http describes the files. A folder without samples
// fails the test.
func RequestSeeds(t testing.TB, dir string) [][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples in %s: %v", dir, err)
	}
	var seeds [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for part := range strings.SplitSeq(string(text), "request:\n") {
			seeds = append(seeds, requestSeed(part))
		}
	}
	return seeds
}

func requestSeed(sample string) []byte {
	var seed []byte
	for line := range strings.SplitSeq(sample, "\n") {
		if strings.HasPrefix(line, "backend:") || strings.HasPrefix(line, "refused:") {
			break
		}
		raw, _ := strconv.Unquote(`"` + strings.ReplaceAll(line, `"`, `\"`) + `"`)
		seed = append(seed, raw...)
	}
	return seed
}
