//go:build linux

package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestChangelog wants the entries under Added, Changed and Fixed, each once, and the Helm chart to
// install the newest version.
func TestChangelog(t *testing.T) {
	text := readFile(t, "CHANGELOG.md")
	version := regexp.MustCompile(`(?m)^## (\d+\.\d+\.\d+), \d{4}-\d{2}-\d{2}$`).FindStringSubmatch(text)
	if version == nil {
		t.Fatal("CHANGELOG.md has no version")
	}
	metadata := readFile(t, chart+"/Chart.yaml")
	for _, line := range []string{"version: " + version[1], "appVersion: " + version[1]} {
		if !strings.Contains(metadata, "\n"+line+"\n") {
			t.Errorf("%s/Chart.yaml has no %s", chart, line)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(text, -1) {
		if !slices.Contains([]string{"Added", "Changed", "Fixed"}, m[1]) {
			t.Errorf("CHANGELOG.md has the heading %s, want Added, Changed or Fixed", m[1])
		}
	}
	seen := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^- .*$`).FindAllString(text, -1) {
		if seen[line] {
			t.Errorf("CHANGELOG.md has twice: %s", line)
		}
		seen[line] = true
	}
}
