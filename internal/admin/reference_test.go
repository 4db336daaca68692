package admin

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"fourseven/health"
	"fourseven/internal/testkit"
)

// metricGroups is what METRICS.md is made of: metrics whose names begin alike are a group.
// A metric belongs to the group with the longest beginning of its name.
var metricGroups = []struct {
	title      string
	beginnings []string
}{
	{"Client connections", []string{"lb_frontend_", "lb_connection", "lb_received_", "lb_sent_", "lb_accept_", "lb_retries_", "lb_service_"}},
	{"Backends", []string{"lb_backend_"}},
	{"HTTP", []string{"lb_http_"}},
	{"TLS", []string{"lb_tls_"}},
	{"Names of backends", []string{"lb_dns_"}},
	{"Process", []string{"lb_build_", "lb_connections_limit", "lb_draining", "lb_loop_", "lb_log_", "lb_reloads_"}},
}

const referenceIntro = `# Metrics

<!-- Written by go test ./internal/admin -run TestMetricsGolden -update: do not edit. -->

` + "`/metrics` on the admin address has these and the usual `go_*` and `process_*`" + `. With ` + "`LB_SERVICES`" + `, all but those under
Process also have the label ` + "`service`" + `. No label comes from a client. The series of a backend that left the list are deleted.
` + "`deploy/prometheus` has alerts for them, and `deploy/grafana`" + ` a dashboard.
`

// TestMetricsGoldenReference holds METRICS.md against the metrics.
func TestMetricsGoldenReference(t *testing.T) {
	testkit.Golden(t, "../../METRICS.md", writeReference(t), *update, "go test ./internal/admin -run TestMetricsGolden")
}

func writeReference(t *testing.T) []byte {
	t.Helper()
	rows := make([][]string, len(metricGroups))
	for _, family := range everyFamily(t) {
		i := groupOf(family.GetName())
		if i < 0 {
			t.Errorf("%s is in no group of METRICS.md: add one in reference_test.go", family.GetName())
			continue
		}
		rows[i] = append(rows[i], row(family))
	}
	b := bytes.NewBufferString(referenceIntro)
	for i, g := range metricGroups {
		if len(rows[i]) > 0 {
			fmt.Fprintf(b, "\n## %s\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n%s", g.title, strings.Join(rows[i], ""))
		}
	}
	return b.Bytes()
}

// everyFamily returns all metrics of the program's own, each with a series at least.
func everyFamily(t *testing.T) (all []*dto.MetricFamily) {
	t.Helper()
	src := everything(t)
	src.Services[0].Name = "rw"
	src.Services[0].Pool.Balance = health.Single
	src.Reloads = func() []Reload {
		return []Reload{{Setting: "LB_BACKENDS", Result: ReloadOK}, {Setting: "LB_BACKENDS", Result: ReloadRefused}}
	}
	Handler(src) // registers them
	families, err := src.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, family := range families {
		if strings.HasPrefix(family.GetName(), "lb_") {
			all, names[family.GetName()] = append(all, family), true
		}
	}
	for _, name := range described(&src) {
		if !names[name] {
			t.Errorf("%s: the source of this test has no series of it", name)
		}
	}
	return all
}

// described returns the names of the metrics that the collectors describe.
func described(src *Source) (names []string) {
	descs := make(chan *prometheus.Desc, 1000)
	processCollector{src}.Describe(descs)
	serviceCollector{src.Services[0]}.Describe(descs)
	close(descs)
	for d := range descs {
		names = append(names, regexp.MustCompile(`fqName: "([^"]*)"`).FindStringSubmatch(d.String())[1])
	}
	return names
}

// groupOf returns the index of the metric's group, or -1.
func groupOf(name string) int {
	found, length := -1, 0
	for i, g := range metricGroups {
		for _, beginning := range g.beginnings {
			if strings.HasPrefix(name, beginning) && len(beginning) > length {
				found, length = i, len(beginning)
			}
		}
	}
	return found
}

// row returns the metric's line in the table of its group.
func row(family *dto.MetricFamily) string {
	kind := strings.ToLower(family.GetType().String())
	help := regexp.MustCompile(`\b(LB|lb)_[A-Za-z_]+(=[a-z]+)?`).ReplaceAllString(strings.ReplaceAll(family.GetHelp(), "|", `\|`), "`$0`")
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", family.GetName(), kind, labelsOf(family), help)
}

// ownWords are the labels whose values are words of the program.
var ownWords = regexp.MustCompile("^(frontend|reason|result|code)=[a-z_0-9]*[a-z_][a-z_0-9]*$")

// labelsOf returns the metric's labels, with their values where these are words of the
// program.
func labelsOf(family *dto.MetricFamily) string {
	values := map[string][]string{}
	for _, m := range family.GetMetric() {
		for _, l := range m.GetLabel() {
			values["`"+l.GetName()+"`"] = append(values["`"+l.GetName()+"`"], l.GetName()+"="+l.GetValue())
		}
	}
	delete(values, "`service`")
	var all []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		text, pairs := name, slices.Compact(slices.Sorted(slices.Values(values[name])))
		if !slices.ContainsFunc(pairs, func(pair string) bool { return !ownWords.MatchString(pair) }) {
			text += ": " + regexp.MustCompile("[a-z]+=([a-z_0-9]+)").ReplaceAllString(strings.Join(pairs, ", "), "`$1`")
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}
