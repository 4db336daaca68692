package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOutputsGetTheirNamesWhenComplete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opts := options{jsonFile: filepath.Join(dir, "run.json"), htmlFile: filepath.Join(dir, "run.html")}
	if err := os.WriteFile(opts.jsonFile, []byte("older"), 0o644); err != nil {
		t.Fatal(err)
	}

	list, err := openOutputs(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.close(); err != nil { // as after a run that failed
		t.Fatal(err)
	}
	if got := fileNames(t, dir); got != "run.json" {
		t.Errorf("after a failed run: %s, want the older report alone", got)
	}

	list, err = openOutputs(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.write(sampleReport()); err != nil {
		t.Fatal(err)
	}
	if err := list.close(); err != nil {
		t.Fatal(err)
	}
	if got := fileNames(t, dir); got != "run.html run.json" {
		t.Errorf("after a run: %s", got)
	}
	text, err := os.ReadFile(opts.jsonFile)
	if err != nil || !strings.HasPrefix(string(text), "{\n  \"schema\": 1,") {
		t.Errorf("got %.40q, %v", text, err)
	}
}

// Pins that the error names what the user asked for: a temporary name beside it
// tells nobody which flag was wrong.
func TestOutputThatCannotBeWrittenIsNamed(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "missing", "run.json")
	if _, err := openOutputs(options{jsonFile: name}); err == nil || !strings.HasPrefix(err.Error(), "write "+name+": ") {
		t.Errorf("error %v, want %s in it", err, name)
	}
}

func fileNames(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}
