//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestCompose starts docker-compose.yml, and sees the turn alternate with one
// backend stopped and started again. Its images are made on the spot from the
// binaries alone: no registry is asked.
func TestCompose(t *testing.T) {
	needDocker(t)
	c := newCompose(t, "docker-compose.yml", "backend1", "backend2")
	c.run("up", "-d", "--no-build")
	c.waitHealthy("fourseven")
	c.checkConfined("fourseven", "backend1", "backend2")

	const one, two = "backend 1\n", "backend 2\n"
	l4, l7 := c.url("fourseven", "9000"), c.url("fourseven", "8000")
	mixed := []string{l7, l4, l4, l7}
	for name, urls := range map[string][]string{"L7": {l7, l7, l7, l7}, "L4": {l4, l4, l4, l4}, "L4 and L7": mixed} {
		if got, want := get(t, urls...), []string{one, two, one, two}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}

	// get fails the test for a request that fails: none may while the set changes.
	c.run("stop", "backend1")
	if got, want := get(t, mixed...), []string{two, two, two, two}; !slices.Equal(got, want) {
		t.Errorf("backend 1 stopped: got %q, want %q", got, want)
	}
	c.run("start", "backend1")
	testkit.Eventually(t, "backend 1 to return", func() bool { return slices.Contains(get(t, mixed...), one) })
	if got := get(t, mixed...); got[0] == got[1] || got[0] != got[2] || got[1] != got[3] {
		t.Errorf("backend 1 started again: got %q, want the two in turn", got)
	}

	id := c.id("fourseven")
	c.run("stop", "fourseven")
	if code := docker(t, "inspect", "--format", "{{.State.ExitCode}}", id); code != "0" {
		t.Errorf("stopped with exit code %s, want 0", code)
	}
}

// compose is a file of services under a project name of its own.
type compose struct {
	t       *testing.T
	command []string // docker compose or docker-compose, with its options
	env     []string // for the file's variables
}

// newCompose makes the images of fourseven and of the services that are backends.
// What it makes, and what is started, is removed at the end of the test.
func newCompose(t *testing.T, file string, backends ...string) *compose {
	t.Helper()
	return newComposeOf(t, file, map[string][]string{".": {"fourseven"}, "./testdata/backend": backends})
}

// newComposeOf is newCompose for services servedBy programs are given by package.
func newComposeOf(t *testing.T, file string, services map[string][]string) *compose {
	t.Helper()
	c := &compose{t: t, command: composeCommand(t)}
	project := fmt.Sprintf("fourseven-test-%d", os.Getpid())
	images := filepath.Join(t.TempDir(), "images.yml")
	var entries []string
	for dir, names := range services {
		image := fmt.Sprintf("%s-%d", project, len(entries))
		importBinary(t, image, dir)
		for _, name := range names {
			entries = append(entries, fmt.Sprintf("%s: {image: %s}", name, image))
		}
	}
	text := "services: {" + strings.Join(entries, ", ") + "}\n"
	if err := os.WriteFile(images, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.command = append(c.command, "-p", project, "-f", file, "-f", images)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.run("logs", "--no-color"))
		}
		c.run("down", "-v", "--timeout", "5")
	})
	return c
}

// composeCommand returns docker compose, or docker-compose where that is what there
// is.
func composeCommand(t *testing.T) []string {
	t.Helper()
	if exec.Command("docker", "compose", "version").Run() == nil {
		return []string{"docker", "compose"}
	}
	if _, err := exec.LookPath("docker-compose"); err != nil {
		testkit.Missing(t, "docker compose or docker-compose")
	}
	return []string{"docker-compose"}
}

// run runs a command of compose and returns its output.
func (c *compose) run(args ...string) string {
	c.t.Helper()
	cmd := exec.Command(c.command[0], slices.Concat(c.command[1:], args)...)
	cmd.Env = append(os.Environ(), "L4_PORT=", "L7_PORT=", "ADMIN_PORT=") // an empty port is a free one
	cmd.Env = append(cmd.Env, c.env...)
	return output(c.t, cmd)
}

func (c *compose) id(service string) string {
	c.t.Helper()
	return c.run("ps", "-q", service)
}

// url returns where a service's port is published.
func (c *compose) url(service, port string) string {
	c.t.Helper()
	return "http://" + c.run("port", service, port) + "/"
}

func (c *compose) waitHealthy(service string) {
	c.t.Helper()
	id := c.id(service)
	testkit.Eventually(c.t, service+" to be healthy", func() bool {
		return docker(c.t, "inspect", "--format", "{{.State.Health.Status}}", id) == "healthy"
	})
}

// checkConfined wants services that are not root, have no capability and cannot
// write to their file system.
func (c *compose) checkConfined(services ...string) {
	c.t.Helper()
	for _, service := range services {
		id := c.id(service)
		got := docker(c.t, "inspect", "--format", "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}", id)
		if want := "true [ALL] [no-new-privileges:true]"; got != want {
			c.t.Errorf("%s: got %s, want %s", service, got, want)
		}
		titles, process, _ := strings.Cut(docker(c.t, "top", id, "-o", "uid,pid"), "\n")
		if uid, _, _ := strings.Cut(strings.TrimSpace(process), " "); uid != "65532" {
			c.t.Errorf("%s: got a process %s %s, want uid 65532", service, titles, process)
		}
	}
}

// get requests each URL on a connection of its own, and returns the bodies.
func get(t *testing.T, urls ...string) []string {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var bodies []string
	for _, url := range urls {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %q, %v", url, resp.Status, body, err)
		}
		bodies = append(bodies, string(body))
	}
	return bodies
}
