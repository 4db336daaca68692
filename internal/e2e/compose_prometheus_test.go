//go:build linux

package e2e

import (
	"archive/tar"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

// TestComposePrometheus starts Prometheus by the profile of docker-compose.yml, and
// sees it find the admin listener, which is published on this machine alone. Its image
// is made on the spot from this machine's Prometheus. For Grafana there is none
// without a registry: its part is checked as a file.
func TestComposePrometheus(t *testing.T) {
	needDocker(t)
	testkit.Need(t, "prometheus", "prometheus")
	image := fmt.Sprintf("fourseven-test-%d-prometheus", os.Getpid())
	importPrometheus(t, image)
	t.Setenv("PROMETHEUS_IMAGE", image)
	t.Setenv("PROMETHEUS_PORT", "")
	c := newCompose(t, "docker-compose.yml", "backend1", "backend2")
	c.command = append(c.command, "--profile", "observe")
	c.run("up", "-d", "--no-build", "prometheus")
	p := prometheusAt(t, strings.TrimSuffix(c.url("prometheus", "9090"), "/"))
	c.waitHealthy("fourseven")
	if got := docker(t, "inspect", "--format", "{{json .HostConfig.PortBindings}}", c.id("fourseven")); !strings.Contains(got, `"9900/tcp":[{"HostIp":"127.0.0.1"`) {
		t.Errorf("the admin port is published otherwise than on this machine: %s", got)
	}
	checkOutsidersMayOnlyLook(t, docker(t, "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", c.id("fourseven")))
	testkit.Eventually(t, "both backends to be up", func() bool {
		up := p.query("sum by (job, instance) (lb_backend_up)")
		return len(up) == 1 && up[0].Value == 2 && up[0].Metric["instance"] == "fourseven:9900"
	})
}

// checkOutsidersMayOnlyLook wants what changes something to be refused to whoever
// asks from outside the container.
func checkOutsidersMayOnlyLook(t *testing.T, ip string) {
	t.Helper()
	mustAsk(t, ip+":9900", "/api/backends")
	resp, err := http.Post("http://"+ip+":9900/api/backends/backend1:8080/drain", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("drain from outside: got %s, want 403", resp.Status)
	}
}

// TestComposeProfiles wants files that Compose takes, with the profile and without,
// servedBy mounts are read-only and lead to what is there.
func TestComposeProfiles(t *testing.T) {
	command := composeCommand(t)
	for _, profile := range [][]string{nil, {"--profile", "observe"}} {
		args := slices.Concat(command[1:], []string{"-f", "docker-compose.yml"}, profile, []string{"config"})
		output(t, exec.Command(command[0], args...))
	}
	mounts := regexp.MustCompile(`(?m)^ +- (\./\S+?):(/\S+?)(:ro)?$`).FindAllStringSubmatch(readFile(t, "docker-compose.yml"), -1)
	if len(mounts) != 4 {
		t.Errorf("got %d mounts, want 4", len(mounts))
	}
	for _, m := range mounts {
		if _, err := os.Stat(m[1]); err != nil || m[3] != ":ro" {
			t.Errorf("%s: got %v, want a read-only mount of what is there", m[0], err)
		}
	}
}

// importPrometheus makes an image of this machine's Prometheus with the libraries
// that it is linked to.
func importPrometheus(t *testing.T, image string) {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"/bin/prometheus": binary}
	libraries := regexp.MustCompile(`/\S+\.so\S*`).FindAllString(output(t, exec.Command("ldd", binary)), -1)
	for _, library := range libraries {
		if files[library], err = filepath.EvalSymlinks(library); err != nil {
			t.Fatal(err)
		}
	}
	importImage(t, image, func(tw *tar.Writer) (errs error) {
		const nobody = 65534
		errs = tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "prometheus/", Mode: 0o755, Uid: nobody, Gid: nobody})
		for name, file := range files {
			errs = errors.Join(errs, addTree(tw, name[1:], file))
		}
		return errors.Join(errs, tw.Close())
	}, `ENTRYPOINT ["/bin/prometheus"]`)
}
