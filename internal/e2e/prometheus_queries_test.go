//go:build linux

package e2e

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fourseven/internal/testkit"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// TestPrometheusQueries has a real Prometheus scrape the program under traffic and trouble,
// and asks it everything that the dashboard and the alerts ask: of a program without
// services, and of one of several services.
func TestPrometheusQueries(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "prometheus", "prometheus")
	t.Run("flat", func(t *testing.T) { checkQueries(t, troubled(t), "", ".*") })
	t.Run("services", func(t *testing.T) { checkQueries(t, troubledServices(t), "a", "a") })
}

// checkQueries asks what the dashboard asks when the service is chosen, and what the
// alerts ask. The service has a name, or is the only one.
func checkQueries(t *testing.T, lb *balancer, service, chosenService string) {
	t.Helper()
	suffer(t, lb)
	p := observe(t, lb.admin)
	chosen := map[string]string{
		"job": "fourseven", "instance": strings.ReplaceAll(lb.admin, ".", `\\.`), "service": chosenService, "backend": ".*", "__rate_interval": "10s",
	}
	d := readDashboard(t)
	queries := d.queries(t, chosen)
	for name, q := range d.labelQueries(t, chosen) {
		values := p.labelValues(q[1], q[0])
		if hasNone := name == "service" && service == ""; (len(values) == 0) != hasNone {
			t.Errorf("variable %s has the values %q", name, values)
		}
	}
	for what, expr := range queries { // what is shown for nothing would hide a wrong label
		queries[what] = strings.ReplaceAll(expr, " or vector(0)", "")
	}
	for _, alert := range p.alerts() {
		checkTold(t, alert)
		queries[alert.Name] = alert.Query
		if !slices.Contains(raised, alert.Name) {
			queries[alert.Name] = withoutBounds(alert.Query)
		}
	}
	if service == "" {
		delete(queries, "FoursevenServiceLimitNear")
	}
	maps.DeleteFunc(queries, func(_, expr string) bool { return ofTLS(expr) }) // see TestPrometheusTLSQueries
	names := metricNames(mustAsk(t, lb.admin, "/metrics"))
	for what, expr := range queries {
		checkAnswered(t, p, lb, what, expr)
		for _, name := range namesIn(expr) {
			if !slices.Contains(names, name) {
				t.Errorf("%s: there is no metric %s", what, name)
			}
		}
	}
}

// ofTLS reports whether an expression asks for what only a program has that ends TLS.
func ofTLS(expr string) bool { return strings.Contains(expr, "lb_tls_") }

// TestPrometheusTLSQueries is TestPrometheusQueries for what is asked of a program that
// ends TLS.
func TestPrometheusTLSQueries(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "prometheus", "prometheus")
	lb := serveTLS(t, backendsOf(startBackends(t, 1)))
	p := observe(t, lb.admin)
	chosen := map[string]string{"job": "fourseven", "instance": strings.ReplaceAll(lb.admin, ".", `\\.`), "service": ".*", "backend": ".*", "__rate_interval": "10s"}
	queries := readDashboard(t).queries(t, chosen)
	for _, alert := range p.alerts() {
		queries[alert.Name] = withoutBounds(alert.Query)
	}
	asked := 0
	for what, expr := range queries {
		if !ofTLS(expr) {
			continue
		}
		asked++
		testkit.Eventually(t, what+" to have a number: "+expr, func() bool {
			lb.curl(t, "a.example.com", lb.l7, "/")
			return len(p.query(expr)) > 0
		})
	}
	if asked != 3 {
		t.Errorf("%d queries, want two panels and an alert", asked)
	}
}

// rightlyEmpty are queries without an answer here, and why.
var rightlyEmpty = map[string]string{
	"annotation Alerts": notYet, "Alerts A": notYet,
}

const notYet = "what holds has not held for as long as an alert wants"

// raised are the alerts servedBy whole condition holds in this trouble. The bounds of
// the others are tried by promtool test rules.
var raised = []string{
	"FoursevenConnectFailures", "FoursevenProbesFailing", "FoursevenRetries", "FoursevenHTTPErrors", "FoursevenBackendResets",
}

// checkTold wants an alert that says how bad it is, what is wrong, and what to do.
func checkTold(t *testing.T, alert promv1.AlertingRule) {
	t.Helper()
	if severity := alert.Labels["severity"]; severity != "warning" && severity != "critical" {
		t.Errorf("%s: severity %q", alert.Name, severity)
	}
	for _, name := range []model.LabelName{"summary", "description"} {
		if alert.Annotations[name] == "" {
			t.Errorf("%s: no %s", alert.Name, name)
		}
	}
}

// withoutBounds returns an alert's condition without the numbers that it compares
// with: series that all is well with have it, too.
func withoutBounds(expr string) string {
	return regexp.MustCompile(` (>|<|==) [\d.]+( \* \d+)?`).ReplaceAllString(expr, "")
}

// checkAnswered wants a series with a number, soon, under traffic.
func checkAnswered(t *testing.T, p *monitor, lb *balancer, what, expr string) {
	t.Helper()
	if why, ok := rightlyEmpty[what]; ok {
		if got := p.query(expr); len(got) > 0 {
			t.Errorf("%s: got %s, want nothing: %s", what, got, why)
		}
		return
	}
	testkit.Eventually(t, what+" to have a number: "+expr, func() bool {
		suffer(t, lb)
		return len(p.query(expr)) > 0
	})
}

// troubled starts the program in front of two backends, and a third that is gone
// but gets its turns, for so many probes must fail first; and one found by name that
// was never there.
func troubled(t *testing.T) *balancer {
	t.Helper()
	backends := startBackends(t, 3)
	lb := serve(t, troubledList(t, backends), "LB_DNS_INTERVAL=200ms", "LB_HEALTH_FALL=1000")
	backends[2].kill()
	return lb
}

// troubledServices is the same with two services, of which the one named a has the
// trouble.
func troubledServices(t *testing.T) *balancer {
	t.Helper()
	backends := startBackends(t, 3)
	m := serveServices(t, "LB_SERVICES=a,b", troubledList(t, backends), "LB_DNS_INTERVAL=200ms", "LB_HEALTH_FALL=1000",
		"LB_A_L4_LISTEN=127.0.0.1:0", "LB_A_L7_LISTEN=127.0.0.1:0", "LB_B_L4_LISTEN=127.0.0.1:0", "LB_A_MAX_CONNS=100")
	backends[2].kill()
	return &balancer{process: m.process, l4: m.at["a l4"], l7: m.at["a l7"], admin: m.admin}
}

// troubledList returns the setting of a list with the backends and a name, in a file.
func troubledList(t *testing.T, backends []*backend) string {
	t.Helper()
	_, list, _ := strings.Cut(backendsOf(backends), "=")
	path := filepath.Join(t.TempDir(), "backends")
	if err := os.WriteFile(path, []byte(list+",dns://localhost:1"), 0o600); err != nil {
		t.Fatal(err)
	}
	return "LB_BACKENDS_FILE=" + path
}

// suffer is some traffic through both frontends, good and bad.
func suffer(t *testing.T, lb *balancer) {
	t.Helper()
	for _, addr := range []string{lb.l4, lb.l7} {
		mustAsk(t, addr, "/")
		_, _ = ask(addr, "/reset") // no answer by L4, 502 by L7
	}
}

// metricNames returns the names in an exposition.
func metricNames(exposition string) (names []string) {
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\w+) `).FindAllStringSubmatch(exposition, -1) {
		names = append(names, m[1])
	}
	return names
}

// namesIn returns the names of the program's metrics in an expression.
func namesIn(expr string) (names []string) {
	for _, name := range regexp.MustCompile(`\b(lb|go|process)_\w+`).FindAllString(expr, -1) {
		names = append(names, strings.TrimSuffix(name, "_bucket"))
	}
	return names
}

// TestPromtool has Prometheus's own tool check the metrics, the configuration, the
// rules, and the rules' unit tests.
func TestPromtool(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "promtool", "prometheus")
	lb := troubled(t)
	suffer(t, lb)
	metrics := exec.Command("promtool", "check", "metrics")
	metrics.Stdin = strings.NewReader(mustAsk(t, lb.admin, "/metrics"))
	var said bytes.Buffer
	metrics.Stdout, metrics.Stderr = &said, &said
	if err := metrics.Run(); err != nil || said.Len() > 0 {
		t.Errorf("check metrics: %v\n%s", err, &said)
	}
	output(t, exec.Command("promtool", "check", "config", prometheusDir+"/prometheus.yml"))
	output(t, exec.Command("promtool", "check", "rules", rulesFile))
	output(t, exec.Command("promtool", "test", "rules", unitTests))
	checkEachFires(t)
}

// checkEachFires wants a unit test of each alert in which it fires.
func checkEachFires(t *testing.T) {
	t.Helper()
	tested := readFile(t, unitTests)
	alerts := regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(readFile(t, rulesFile), -1)
	for _, m := range alerts {
		if !strings.Contains(tested, "alertname: "+m[1]+"\n        exp_alerts:\n          - ") {
			t.Errorf("%s fires in no unit test", m[1])
		}
	}
	if len(alerts) == 0 {
		t.Error("no alerts")
	}
}
