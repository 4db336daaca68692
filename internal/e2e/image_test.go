package e2e

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

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
		eventually(t, "LB_ADMIN_LISTEN="+admin+" to be "+want, func() bool {
			return docker(t, "inspect", "--format", "{{.State.Health.Status}}", id) == want
		})
	}
}
