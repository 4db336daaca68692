//go:build linux

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

// TestDockerfile builds the Dockerfile's images. Their builder is made on the
// spot from this machine's Go: no registry is asked, and nothing is downloaded.
func TestDockerfile(t *testing.T) {
	if os.Getenv("CI") != "true" {
		t.Skip("compiles the standard library in a container, for a minute: runs where CI=true")
	}
	needDocker(t)
	project := fmt.Sprintf("fourseven-test-%d", os.Getpid())
	importBuilder(t, project+"-builder")
	build := func(target string) (image string) {
		image = project + "-dockerfile-" + target
		docker(t, "build", "--force-rm", "--network", "none", "--target", target, "-t", image,
			"--build-arg", "GO_IMAGE="+project+"-builder", "--build-arg", "VERSION=1.2.3", "--build-arg", "REVISION=c0ffee", ".")
		t.Cleanup(func() { docker(t, "rmi", image) })
		return image
	}
	identity := func(image string) string {
		return docker(t, "inspect", "--format", "{{.Config.User}} {{.Config.Entrypoint}} {{len .RootFS.Layers}}", image)
	}
	if got, want := identity(build("backend")), "65532:65532 [/backend] 1"; got != want {
		t.Errorf("backend: got %s, want %s", got, want)
	}
	image := build("fourseven")
	if got, want := identity(image), "65532:65532 [/fourseven] 2"; got != want {
		t.Errorf("fourseven: got %s, want %s", got, want)
	}
	if got, want := docker(t, "inspect", "--format", "{{.Config.Healthcheck.Test}}", image), "[CMD /fourseven healthcheck]"; got != want {
		t.Errorf("healthcheck: got %s, want %s", got, want)
	}
	confined := []string{"run", "--rm", "--read-only", "--network", "none", "--cap-drop", "ALL", image}
	if got := docker(t, append(confined, "version")...); !strings.Contains(got, "1.2.3") {
		t.Errorf("version: got %s, want 1.2.3", got)
	}
	var exit *exec.ExitError
	if err := exec.Command("docker", confined...).Run(); !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Errorf("without settings: got %v, want exit status 2", err)
	}
	checkLabels(t, image)
	checkModules(t, image)
	checkHealthcheck(t, image)
}

// checkLabels wants what an inventory of images reads, and no label that is empty.
func checkLabels(t *testing.T, image string) {
	t.Helper()
	var labels map[string]string
	if err := json.Unmarshal([]byte(docker(t, "inspect", "--format", "{{json .Config.Labels}}", image)), &labels); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"title": "fourseven", "description": ".+", "version": "1[.]2[.]3", "revision": "c0ffee", "licenses": "MIT",
	} {
		if got := labels["org.opencontainers.image."+name]; !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("label %s: got %q, want %s", name, got, want)
		}
	}
	if created, ok := labels["org.opencontainers.image.created"]; ok {
		t.Errorf("label created: got %q, want none, so that builds can be compared", created)
	}
}

// checkModules wants the list of modules in the image's binary, each with its
// version and sum: what an SBOM is written from.
func checkModules(t *testing.T, image string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "fourseven")
	id := docker(t, "create", image)
	t.Cleanup(func() { docker(t, "rm", id) })
	docker(t, "cp", id+":/fourseven", binary)
	listed := goTool(t, "version", "-m", binary)
	if !strings.Contains(listed, "\tpath\tfourseven\n") {
		t.Errorf("no build information: %s", listed)
	}
	for _, module := range linkedModules(t) {
		line := regexp.MustCompile("\tdep\t" + regexp.QuoteMeta(module) + "\tv[^\t]+\th1:.+")
		if !line.MatchString(listed) {
			t.Errorf("module %s is not in the binary's list:\n%s", module, listed)
		}
	}
}

// linkedModules returns the modules that the program is made of, but for its own.
func linkedModules(t *testing.T) []string {
	t.Helper()
	all := strings.Fields(goTool(t, "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "."))
	slices.Sort(all)
	if all = slices.Compact(all); len(all) == 0 {
		t.Fatal("the program has no modules")
	}
	return all
}

// checkHealthcheck wants the image's own HEALTHCHECK to find the instance well
// with an admin listener, and the one without not.
func checkHealthcheck(t *testing.T, image string) {
	t.Helper()
	for admin, want := range map[string]string{"127.0.0.1:9900": "healthy", ":9900": "healthy", "off": "unhealthy"} {
		id := docker(t, "run", "--detach", "--read-only", "--network", "none", "--cap-drop", "ALL",
			"--health-interval", "500ms", "--health-start-period", "0s",
			"--env", "LB_BACKENDS=127.0.0.1:1", "--env", "LB_ADMIN_LISTEN="+admin, image)
		t.Cleanup(func() { docker(t, "rm", "--force", id) })
		testkit.Eventually(t, "LB_ADMIN_LISTEN="+admin+" to be "+want, func() bool {
			return docker(t, "inspect", "--format", "{{.State.Health.Status}}", id) == want
		})
	}
}
