//go:build linux

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fourseven/internal/config"
)

const manifests, job = "deploy/kubernetes/fourseven.yaml", "deploy/nomad/fourseven.nomad.hcl"

// TestDeployExamples checks the examples as their orchestrators read them, and that
// fourseven takes the settings in them.
func TestDeployExamples(t *testing.T) {
	needStrict(t)
	for path, name := range map[string]string{manifests: "dns://web:8080", job: "srv://web.service.consul"} {
		environ, errors := strict(t, path)
		if errors != "" {
			t.Errorf("%s: %s", path, errors)
		}
		c, err := config.Load(environ)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if c.Services[0].Backends.String() != name || c.AdminListen != ":9900" || c.ShutdownDelay == 0 {
			t.Errorf("%s: unlike what it is to show: %q", path, environ)
		}
	}
}

// TestDeployChecksAreStrict pins that the check would find the usual mistakes.
func TestDeployChecksAreStrict(t *testing.T) {
	needStrict(t)
	for _, tt := range []struct{ path, old, new, want string }{
		{manifests, "readinessProbe:", "readynessProbe:", `unknown field "spec.template.spec.containers[0].readynessProbe"`},
		{manifests, "replicas: 2", "replicas: two", "cannot unmarshal"},
		{manifests, "port: admin", "port: adnim", "a probe of a port that it does not have"},
		{manifests, "targetPort: l7", "targetPort: 8001", "Service fourseven: no container has the port 8001"},
		{manifests, "  selector:\n    app: web\n", "  selector:\n    app: wep\n", "Service web selects no pods"},
		{manifests, "minAvailable: 1\n  selector:\n    matchLabels:\n      app: fourseven", "minAvailable: 1", "PodDisruptionBudget fourseven selects no pods"},
		{manifests, "terminationGracePeriodSeconds: 45", "terminationGracePeriodSeconds: 30", "is not above 35s"},
		{dashboardFile, `"expr":`, `"exprs":`, "unexpected field 'exprs'"},
		{dashboardFile, `"drawStyle":`, `"drawStile":`, "unexpected field 'drawStile'"},
		{dashboardFile, `"x": 3, "y": 1,`, `"x": 2, "y": 1,`, "lie over each other"},
		{dashboardFile, `"id": 3,`, `"id": 4,`, "have the same id"},
		{job, "env {", "environment {", `no block "env"`},
		{job, "env {", "env [", "Argument or block definition required"},
	} {
		text, err := os.ReadFile(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Replace(text, []byte(tt.old), []byte(tt.new), 1)
		if bytes.Equal(bad, text) {
			t.Fatalf("%s has no %q", tt.path, tt.old)
		}
		path := filepath.Join(t.TempDir(), filepath.Base(tt.path))
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, errors := strict(t, path); !strings.Contains(errors, tt.want) {
			t.Errorf("%s instead of %s: got %q, want %q", tt.new, tt.old, errors, tt.want)
		}
	}
}

const strictDir = "testdata/strict"

// strict returns the settings of fourseven in an example, and what is wrong with it.
func strict(t *testing.T, path string) (environ []string, errors string) {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "run", "-C", strictDir, ".", path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, _ := cmd.Output() // a fault is told on standard error
	return strings.Fields(string(out)), stderr.String()
}
