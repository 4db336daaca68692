//go:build linux

package e2e

import (
	"debug/elf"
	"debug/macho"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestRelease builds a release by .ci/release: for this machine's platform, and where CI=true for
// all, which compiles the standard library for each.
func TestRelease(t *testing.T) {
	platforms := []string{"linux/" + runtime.GOARCH}
	if os.Getenv("CI") == "true" {
		platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"}
	}
	folder := release(t, platforms)
	sums := readFile(t, filepath.Join(folder, "SHA256SUMS"))
	verify := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	verify.Dir = folder
	output(t, verify)
	for _, platform := range platforms {
		name := "fourseven_1.2.3-rc.1_" + strings.ReplaceAll(platform, "/", "_")
		if !strings.Contains(sums, "  "+name+".tar.gz\n") {
			t.Errorf("no checksum of %s: %s", name, sums)
		}
		output(t, exec.Command("tar", "-C", folder, "-xzf", filepath.Join(folder, name+".tar.gz")))
		checkRelease(t, filepath.Join(folder, name), platform)
	}
	// The same commit makes the same bytes.
	again := readFile(t, filepath.Join(release(t, platforms[:1]), "SHA256SUMS"))
	if !strings.Contains(sums, again) {
		t.Errorf("built twice: %s and %s", sums, again)
	}
}

func release(t *testing.T, platforms []string) (folder string) {
	t.Helper()
	folder = t.TempDir()
	cmd := exec.Command(".ci/release", "v1.2.3-rc.1", folder)
	cmd.Env = append(os.Environ(), "PLATFORMS="+strings.Join(platforms, " "), "SOURCE_DATE_EPOCH=1700000000")
	output(t, cmd)
	return folder
}

// checkRelease wants a static binary for the platform, and what must come with it.
func checkRelease(t *testing.T, dir, platform string) {
	t.Helper()
	binary := filepath.Join(dir, "fourseven")
	if got, err := platformOf(binary); err != nil || got != platform {
		t.Errorf("%s: a binary for %s, %v", platform, got, err)
	}
	if platform == "linux/"+runtime.GOARCH {
		if got := output(t, exec.Command(binary, "version")); got != "fourseven v1.2.3-rc.1" {
			t.Errorf("%s: %s", platform, got)
		}
	}
	for _, file := range []string{"LICENSE", "README.md", "SETTINGS.md", "METRICS.md", "CONTRIBUTING.md", "testdata/page.png", "testdata/paths-dark.svg",
		"deploy/recipes/postgresql.env", "deploy/systemd/fourseven.service", "licenses/std/LICENSE", "licenses/github.com/valyala/fasthttp/LICENSE"} {
		if readFile(t, filepath.Join(dir, file)) == "" {
			t.Errorf("%s: %s is empty", platform, file)
		}
	}
	if sbom := readFile(t, filepath.Join(dir, "sbom.cdx.json")); !strings.Contains(sbom, `"version": "v1.2.3-rc.1"`) {
		t.Errorf("%s: the SBOM has no version: %.500s", platform, sbom)
	}
}

// platformOf returns what system and processor a binary is for. One of Linux must be static.
func platformOf(binary string) (string, error) {
	if f, err := elf.Open(binary); err == nil {
		if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
			return "", fmt.Errorf("%s is not static", binary)
		}
		return "linux/" + map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}[f.Machine], f.Close()
	}
	f, err := macho.Open(binary)
	if err != nil {
		return "", err
	}
	return "darwin/" + map[macho.Cpu]string{macho.CpuAmd64: "amd64", macho.CpuArm64: "arm64"}[f.Cpu], f.Close()
}

// TestReleaseWantsVersion pins that nothing is built without a version.
func TestReleaseWantsVersion(t *testing.T) {
	for _, version := range []string{"", "1.0.0", "v1", "v1.0.0 x"} {
		out, err := exec.Command(".ci/release", version, t.TempDir()).CombinedOutput()
		if err == nil || !strings.HasPrefix(string(out), "usage: ") {
			t.Errorf("%q: %v %s", version, err, out)
		}
	}
}
