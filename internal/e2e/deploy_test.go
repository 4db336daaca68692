//go:build linux

package e2e

import (
	"bytes"
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fourseven/internal/config"
)

const manifests, job = "deploy/kubernetes", "deploy/nomad/fourseven.nomad.hcl"

// TestDeployExamples checks the examples as their orchestrators read them, and that
// fourseven takes the settings in them.
func TestDeployExamples(t *testing.T) {
	needStrict(t)
	for path, name := range map[string]string{manifests: "dns://web:8080", job: "srv://web.service.consul"} {
		environ, errors := strict(t, path)
		if errors != "" {
			t.Errorf("%s: %s", path, errors)
		}
		c, err := config.Load(withoutFiles(t, environ))
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
		{manifests, "selector:\n    app.kubernetes.io/name: web\n", "selector:\n    app.kubernetes.io/name: wep\n", "Service web selects no pods"},
		{manifests, "minAvailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: fourseven", "minAvailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: x", "PodDisruptionBudget fourseven selects no pods"},
		{manifests, "terminationGracePeriodSeconds: 45", "terminationGracePeriodSeconds: 30", "is not above 35s"},
		{manifests, "memory: 384Mi", "memory: 256Mi", "where LB_MAX_CONNS=10000 takes 394788864"},
		{manifests, "/readyz?ignore=backends", "/readyz", "no probe of /readyz?ignore=backends"},
		{manifests, "LB_ADMIN_TOKEN_FILE", "LB_ADMIN_TOKEN", "the token is not from a Secret"},
		{manifests, "    app.kubernetes.io/instance: fourseven\n", "", "fourseven has no label app.kubernetes.io/instance"},
		{manifests, "containerPort: 9000", "containerPort: 9001", "no setting listens on port 9001"},
		{manifests, "        - port: l4\n", "        - port: l5\n", "NetworkPolicy fourseven: no container has the port l5"},
		{manifests, "- podSelector:\n            matchLabels:\n              app.kubernetes.io/name: web", "- podSelector:\n            matchLabels:\n              app.kubernetes.io/name: wep", "egress to pods that are not there"},
		{manifests, "    - port: admin\n      path: /metrics", "    - port: metrics\n      path: /metrics", "PodMonitor fourseven: an endpoint at a port that no container has"},
		{manifests, "podMetricsEndpoints:", "endpoints:", `unknown field "spec.endpoints"`},
		{manifests, "- name: admin\n          secret:", "- name: token\n          secret:", "mounts admin, which the pod does not have"},
		{dashboardFile, `"expr":`, `"exprs":`, "unexpected field 'exprs'"},
		{dashboardFile, `"drawStyle":`, `"drawStile":`, "unexpected field 'drawStile'"},
		{dashboardFile, `"x": 3, "y": 1,`, `"x": 2, "y": 1,`, "lie over each other"},
		{dashboardFile, `"id": 3,`, `"id": 4,`, "have the same id"},
		{job, "env {", "environment {", `no block "env"`},
		{job, `port "l7" {`, `port "http" {`, "port http: no service with a check"},
		{job, "static = 9000", "static = 9001", `port l4: LB_L4_LISTEN is ":9000"`},
		{job, "memory = 256", "memory = 128", "memory of 128 MiB, where LB_MAX_CONNS=6000 takes 252"},
		{job, "env {", "env [", "Argument or block definition required"},
	} {
		text := []byte(exampleText(t, tt.path))
		bad := bytes.Replace(text, []byte(tt.old), []byte(tt.new), 1)
		if bytes.Equal(bad, text) {
			t.Fatalf("%s has no %q", tt.path, tt.old)
		}
		path := filepath.Join(t.TempDir(), "example"+cmp.Or(filepath.Ext(tt.path), ".yaml"))
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, errors := strict(t, path); !strings.Contains(errors, tt.want) {
			t.Errorf("%s instead of %s: got %q, want %q", tt.new, tt.old, errors, tt.want)
		}
	}
}

// exampleText returns an example's text, of a folder that of all its files.
func exampleText(t *testing.T, path string) string {
	t.Helper()
	files := []string{path}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		files, _ = filepath.Glob(filepath.Join(path, "*.yaml"))
	}
	var all []string
	for _, file := range files {
		all = append(all, readFile(t, file))
	}
	return strings.Join(all, "\n---\n")
}

const strictDir = "testdata/strict"

// strict returns the settings of fourseven in an example, and what is wrong with it.
func strict(t *testing.T, path string) (environ []string, errors string) {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return strictInput(t, path, "")
}

// strictInput is strict for a text, if the path is -.
func strictInput(t *testing.T, path, text string) (environ []string, errors string) {
	t.Helper()
	cmd := exec.Command("go", "run", "-C", strictDir, ".", path)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(text), &stderr
	out, _ := cmd.Output() // a fault is told on standard error
	return strings.Fields(string(out)), stderr.String()
}
