//go:build linux

package e2e

import (
	"encoding/xml"
	"io"
	"regexp"
	"strings"
	"testing"
)

// TestPaths wants the README's picture of the two paths to be the same in light and dark, but for
// the colors, and to be XML.
func TestPaths(t *testing.T) {
	color := regexp.MustCompile(`#[0-9a-f]{6}`)
	light, dark := readFile(t, "testdata/paths-light.svg"), readFile(t, "testdata/paths-dark.svg")
	if color.ReplaceAllString(light, "") != color.ReplaceAllString(dark, "") {
		t.Error("testdata/paths-light.svg and paths-dark.svg differ by more than colors")
	}
	for decoder := xml.NewDecoder(strings.NewReader(light)); ; {
		if _, err := decoder.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
