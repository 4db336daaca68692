//go:build linux

package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fourseven/internal/config"
	"fourseven/internal/testkit"
)

const chart, helmDir = "deploy/helm/fourseven", "testdata/helm"

// TestHelmChart lints the chart and renders it by Helm's own module, and checks what comes out as
// it checks the other manifests.
func TestHelmChart(t *testing.T) {
	needStrict(t)
	render := helm(t)
	for name, want := range map[string][]string{
		"default": {"kind: Deployment", "kind: Service", "kind: PodDisruptionBudget", "memory: 377Mi", "terminationGracePeriodSeconds: 45"},
		"everything": {"kind: NetworkPolicy", "kind: PodMonitor", "kind: Secret", "memory: 1627Mi", "terminationGracePeriodSeconds: 135",
			"registry.example.org/fourseven:1.0.1", "minAvailable: 50%", "key: edge", "release: prometheus", "priorityClassName:"},
		"services": {"secretName: fourseven-admin", "containerPort: 5433", "type: ClusterIP"},
	} {
		manifests, errors := render(chart, filepath.Join(helmDir, "values", name+".yaml"))
		if errors != "" {
			t.Errorf("%s: %s", name, errors)
			continue
		}
		wantTexts(t, name, manifests, want)
		environ, errors := strictInput(t, "-", manifests)
		if errors != "" {
			t.Errorf("%s: %s\n%s", name, errors, manifests)
		}
		environ = slices.DeleteFunc(withoutFiles(t, environ), func(kv string) bool { return !strings.HasPrefix(kv, "LB_") })
		if cfg, err := config.Load(environ); err != nil || len(cfg.Warnings()) > 0 || len(cfg.Unused()) > 0 {
			t.Errorf("%s: %v %v %v", name, err, cfg.Warnings(), cfg.Unused())
		}
	}
}

// TestHelmChartRefuses pins that values which do not fit are refused before anything is installed.
func TestHelmChartRefuses(t *testing.T) {
	needStrict(t)
	render := helm(t)
	for values, want := range map[string]string{
		"replica: 3":                                      "replica",
		"settings: {LB_RETRIES: 2}":                       "LB_RETRIES",
		"settings: {BACKENDS: a:1}":                       "BACKENDS",
		"settings: {LB_MAX_CONNS: '5'}":                   "LB_MAX_CONNS",
		"ports: [{name: admin, port: 1, servicePort: 1}]": "ports",
		"maxConns: 0":                                     "maxConns",
	} {
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
			t.Fatal(err)
		}
		if manifests, errors := render(chart, file); !strings.Contains(errors, want) {
			t.Errorf("%s: got %q and %d bytes, want a fault with %q", values, errors, len(manifests), want)
		}
	}
}

// helm returns a func that renders a chart with the values of a file.
func helm(t *testing.T) func(dir, values string) (manifests, errors string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "helm")
	build := exec.Command("go", "build", "-C", helmDir, "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		testkit.Missing(t, "the modules of "+helmDir+": "+string(out))
	}
	return func(dir, values string) (string, string) {
		var stderr bytes.Buffer
		cmd := exec.Command(program, dir, values)
		cmd.Stderr = &stderr
		out, _ := cmd.Output() // a fault is on standard error
		return string(out), stderr.String()
	}
}
