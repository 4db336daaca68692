//go:build linux

package e2e

import (
	"cmp"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestReadmeDemo runs the two commands that README.md begins with, on a host of its own where
// their ports are free.
func TestReadmeDemo(t *testing.T) {
	testkit.Need(t, "curl", "curl")
	host := newNamespace(t, "readme")
	blocks := blocksOf(t, "README.md", "TestReadmeDemo")
	demo := runShell(t, host, ".", blocks[0])
	demo.awaitOutputWithin(10*testkit.Patience, 1, "Ctrl-C ends it.")
	cmd := within(host, exec.Command("bash", "-ec", strings.ReplaceAll(blocks[1], "curl ", "curl -sS ")))
	answers := strings.Fields(strings.ReplaceAll(output(t, cmd), "backend ", ""))
	if len(answers) != 3 || answers[0] == answers[1] || answers[0] != answers[2] {
		t.Errorf("answers from %q, want the two backends in turn", answers)
	}
}

// TestReadmeRun builds and runs the program as README.md says, in a copy of the sources.
func TestReadmeRun(t *testing.T) {
	host := newNamespace(t, "readme")
	dir := t.TempDir()
	if err := copySources(dir); err != nil {
		t.Fatal(err)
	}
	p := runShell(t, host, dir, blocksOf(t, "README.md", "TestReadmeRun")[0])
	p.awaitOutputWithin(10*testkit.Patience, 1, "msg=listening frontend=l4 addr=[::]:9000")
}

// runShell starts a block of commands, the last of which goes on until the test ends.
func runShell(t *testing.T, host namespace, dir, block string) *process {
	t.Helper()
	cmd := within(host, exec.Command("bash", "-ec", block))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := start(t, cmd)
	t.Cleanup(func() {
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} { // what go run started, too
			_ = syscall.Kill(-p.pid(), sig)
			select {
			case <-p.donec:
				return
			case <-time.After(testkit.Patience):
			}
		}
	})
	return p
}

// TestModulePath gives the module another path, as CONTRIBUTING.md says, in a copy of the sources:
// every import is found, so the path is in no other place.
func TestModulePath(t *testing.T) {
	dir := t.TempDir()
	if err := copySources(dir); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-ec", blocksOf(t, "CONTRIBUTING.md", "TestModulePath")[0])
	cmd.Dir = dir
	output(t, cmd)
	list := exec.Command("go", "list", "-deps", "-test", "./...")
	list.Dir = dir
	all := output(t, list)
	if !strings.Contains(all, "\nexample.org/fourseven/l4\n") || strings.Contains(all, "\nfourseven/") {
		t.Errorf("the packages are %s", all)
	}
}

// copySources copies what the program and its tests are built from.
func copySources(to string) error {
	return filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == ".git" || path == "dist"):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, path), 0o755)
		case !d.Type().IsRegular() || path == "fourseven":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), text, 0o644)
	})
}

// TestReadmeSettings gives the settings in README.md to fourseven check: the program takes them,
// and none is without effect. Where a block has settings alone, they are those of one process.
func TestReadmeSettings(t *testing.T) {
	dir := t.TempDir()
	authority := testkit.NewAuthority(t)
	authority.Issue(t, "localhost").Files(t, dir, "lb")
	authority.Issue(t, "localhost").Files(t, dir, "tls")
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("ca.pem", authority.PEM, 0o600)
	write("clients.pem", authority.PEM, 0o600)
	site := authority.Issue(t, "example.com")
	if err := os.MkdirAll(filepath.Join(dir, "live", "example.com"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("live/example.com/fullchain.pem", site.Cert, 0o600) // as certbot has them
	write("live/example.com/privkey.pem", site.Key, 0o600)
	write("fourseven", "#!/bin/sh\nexec "+program+" check\n", 0o755)
	for _, block := range blocksOf(t, "README.md", "TestReadmeSettings") {
		script := strings.NewReplacer("/run/secrets/", dir+"/", "/etc/letsencrypt/", dir+"/").Replace(block)
		if !strings.Contains(block, " fourseven\n") {
			script = "set -a\n" + script + "fourseven\n"
		}
		cmd := exec.Command("bash", "-ec", script)
		cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "has no effect") {
			t.Errorf("%v\n%s\n%s", err, out, block)
		}
	}
}

// TestLinks wants each link within the texts, and each path under deploy that they name, to lead
// somewhere.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^):]*?)(#[^)]*)?\)`)
	for _, text := range []string{"README.md", "SETTINGS.md", "METRICS.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"} {
		content := readFile(t, text)
		for _, m := range link.FindAllStringSubmatch(content, -1) {
			to := cmp.Or(m[1], text)
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %v", text, err)
			} else if m[2] != "" && !slices.Contains(anchors(readFile(t, to)), m[2]) {
				t.Errorf("%s: %s has no heading %s", text, to, m[2])
			}
		}
		for _, path := range regexp.MustCompile(`\bdeploy/[-@./\w]*\w`).FindAllString(content, -1) {
			if _, err := os.Stat(path); err != nil && text != "CHANGELOG.md" {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}

// anchors returns what a text's headings can be linked by.
func anchors(text string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		anchor := regexp.MustCompile(`[^\p{L}\d _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, "#"+strings.ReplaceAll(anchor, " ", "-"))
	}
	return all
}
