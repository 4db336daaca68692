//go:build linux

package e2e

import (
	"debug/elf"
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
	needBuilder(t)
	project := fmt.Sprintf("fourseven-test-%d", os.Getpid())
	importBuilder(t, project+"-builder")
	build := func(target string, args ...string) (image string) {
		image = project + "-dockerfile-" + target
		args = append([]string{"build", "--force-rm", "--network", "none", "--target", target, "-t", image,
			"--build-arg", "GO_IMAGE=" + project + "-builder", "--build-arg", "VERSION=1.2.3", "--build-arg", "REVISION=c0ffee"}, args...)
		cmd := exec.Command("docker", append(args, ".")...)
		cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0") // the older builder
		output(t, cmd)
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
	if got, want := identity(image), "65532:65532 [/fourseven] 3"; got != want {
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

func needBuilder(t *testing.T) {
	t.Helper()
	if os.Getenv("CI") != "true" {
		t.Skip("compiles the standard library in a container, for some minutes: runs where CI=true")
	}
	needDocker(t)
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

// checkModules wants the list of modules in the image's binary, each with its version and sum,
// and each of them in the SBOM and among the licences.
func checkModules(t *testing.T, image string) {
	t.Helper()
	dir := t.TempDir()
	id := docker(t, "create", image)
	t.Cleanup(func() { docker(t, "rm", id) })
	for _, file := range []string{"fourseven", "sbom.cdx.json", "licenses"} {
		docker(t, "cp", id+":/"+file, filepath.Join(dir, file))
	}
	listed := goTool(t, "version", "-m", filepath.Join(dir, "fourseven"))
	if !strings.Contains(listed, "\tpath\t"+goTool(t, "list", "-m")+"\n") {
		t.Errorf("no build information: %s", listed)
	}
	sbom := readFile(t, filepath.Join(dir, "sbom.cdx.json"))
	if !strings.Contains(sbom, `"version": "1.2.3"`) {
		t.Errorf("the SBOM does not have the version: %.500s", sbom)
	}
	for _, module := range linkedModules(t) {
		line := regexp.MustCompile("\tdep\t" + regexp.QuoteMeta(module) + "\t(v[^\t]+)\th1:.+").FindStringSubmatch(listed)
		if line == nil {
			t.Errorf("module %s is not in the binary's list:\n%s", module, listed)
			continue
		}
		if !strings.Contains(sbom, fmt.Sprintf(`"purl": "pkg:golang/%s@%s"`, module, line[1])) {
			t.Errorf("module %s %s is not in the SBOM:\n%s", module, line[1], sbom)
		}
		if files, err := os.ReadDir(filepath.Join(dir, "licenses", module)); err != nil || len(files) == 0 {
			t.Errorf("module %s has no licence: %v", module, err)
		}
	}
}

// linkedModules returns the modules that the program is made of, but for its own, on the
// platforms of the image.
func linkedModules(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, arch := range []string{"amd64", "arm64"} {
		cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", ".")
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
		all = append(all, strings.Fields(output(t, cmd))...)
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) == 0 {
		t.Fatal("the program has no modules")
	}
	return all
}

// TestDockerfileModules holds the modules that the Dockerfile downloads against those that are
// linked.
func TestDockerfileModules(t *testing.T) {
	text := readFile(t, "Dockerfile")
	list := regexp.MustCompile(`(RUN \["go", "mod", "download")[^\]]*\]`)
	var want strings.Builder
	for _, module := range linkedModules(t) {
		fmt.Fprintf(&want, ", \\\n    %q", module)
	}
	renewed := list.ReplaceAllString(text, "${1}"+want.String()+"]")
	if renewed == text {
		return
	}
	if !*update {
		t.Fatal("the Dockerfile downloads other modules than are linked: go test ./internal/e2e -run TestDockerfileModules -update")
	}
	if err := os.WriteFile("Dockerfile", []byte(renewed), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDockerfilePlatform builds the image for another processor with BuildKit. Go compiles on
// this machine's own platform, so nothing is emulated.
func TestDockerfilePlatform(t *testing.T) {
	needBuilder(t)
	builder := fmt.Sprintf("fourseven-test-%d-platform", os.Getpid())
	importBuilder(t, builder)
	image := builder + "-arm64"
	cmd := exec.Command("docker", "build", "--platform", "linux/arm64", "--network", "none", "-t", image, "--build-arg", "GO_IMAGE="+builder, ".")
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=1")
	if out, err := cmd.CombinedOutput(); strings.Contains(string(out), "buildx component is missing") {
		t.Skip("docker has no buildx here, and so no BuildKit")
	} else if err != nil {
		t.Fatalf("BuildKit: %v\n%s", err, out)
	}
	t.Cleanup(func() { docker(t, "rmi", image) })
	if got := docker(t, "inspect", "--format", "{{.Os}}/{{.Architecture}}", image); got != "linux/arm64" {
		t.Errorf("the image is for %s, want linux/arm64", got)
	}
	binary := filepath.Join(t.TempDir(), "fourseven")
	id := docker(t, "create", "--platform", "linux/arm64", image)
	t.Cleanup(func() { docker(t, "rm", id) })
	docker(t, "cp", id+":/fourseven", binary)
	if f, err := elf.Open(binary); err != nil || f.Machine != elf.EM_AARCH64 {
		t.Errorf("the binary is not for arm64: %v", err)
	}
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
