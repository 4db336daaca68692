package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// TestWrite takes this program's own inventory, twice.
func TestWrite(t *testing.T) {
	t.Setenv("VERSION", "v1.2.3")
	dir := t.TempDir()
	binary := filepath.Join(dir, "inventory")
	build := exec.Command("go", "build", "-buildvcs=false", "-trimpath", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var texts [2][]byte
	for i := range texts {
		folder := filepath.Join(dir, string(rune('a'+i)))
		if err := write(binary, folder); err != nil {
			t.Fatal(err)
		}
		for _, licence := range []string{"std/LICENSE", "github.com/CycloneDX/cyclonedx-go/LICENSE", "golang.org/x/mod/LICENSE"} {
			if text, err := os.ReadFile(filepath.Join(folder, "licenses", licence)); err != nil || len(text) < 100 {
				t.Errorf("%s: %d bytes, %v", licence, len(text), err)
			}
		}
		var err error
		if texts[i], err = os.ReadFile(filepath.Join(folder, "sbom.cdx.json")); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(texts[0], texts[1]) {
		t.Error("two inventories of one binary differ")
	}
	var bom cdx.BOM
	if err := json.Unmarshal(texts[0], &bom); err != nil {
		t.Fatal(err)
	}
	if got := bom.Metadata.Component.Version; got != "v1.2.3" {
		t.Errorf("version %q", got)
	}
	want := map[string]string{"std": "BSD-3-Clause", "github.com/CycloneDX/cyclonedx-go": "Apache-2.0", "golang.org/x/mod": "BSD-3-Clause"}
	for _, c := range *bom.Components {
		if id := (*c.Licenses)[0].License.ID; id != want[c.Name] {
			t.Errorf("%s: %s, want %s", c.Name, id, want[c.Name])
		}
		delete(want, c.Name)
	}
	if len(want) > 0 {
		t.Errorf("not in the SBOM: %v", want)
	}
}

// TestIdentify pins that of several licences in one text the first is taken.
func TestIdentify(t *testing.T) {
	const bsd = "Redistributions of source code must retain the above copyright notice. "
	for text, want := range map[string]string{
		bsd + "Neither the name of X may be used.\n\nApache License\n   Version 2.0": "BSD-3-Clause",
		bsd: "BSD-2-Clause",
		"Apache License\n Version 2.0, January 2004": "Apache-2.0",
		"Mozilla Public License, version 2.0":        "MPL-2.0",
		"All rights reserved.":                       "",
	} {
		if got := identify(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestUnknownLicence pins that a module whose licence is not known is an error.
func TestUnknownLicence(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte("All rights reserved."), 0o600); err != nil {
		t.Fatal(err)
	}
	c := component{path: "example.org/x", version: "v1.0.0"}
	if err := c.readLicences(dir); err == nil {
		t.Error("no error")
	}
}
