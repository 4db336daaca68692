//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// dashboard is what asks Prometheus in a dashboard of Grafana.
type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ RefID, Expr string }
	}
	Templating  struct{ List []variable }
	Annotations struct {
		List []struct{ Name, Expr string }
	}
}

// variable is one that the reader of the dashboard chooses a value for.
type variable struct {
	Name, Type, Definition string
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	var d dashboard
	if err := json.Unmarshal([]byte(readFile(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// queries returns every expression by the name of what shows it, as Grafana sends
// it when these values are chosen.
func (d dashboard) queries(t *testing.T, chosen map[string]string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all[fmt.Sprintf("%s %s", p.Title, target.RefID)] = substitute(t, target.Expr, chosen)
		}
	}
	for _, a := range d.Annotations.List {
		all["annotation "+a.Name] = substitute(t, a.Expr, chosen)
	}
	return all
}

// substitute puts values in the place of variables, and fails for an unknown one.
func substitute(t *testing.T, expr string, chosen map[string]string) string {
	t.Helper()
	return regexp.MustCompile(`\$\w+`).ReplaceAllStringFunc(expr, func(name string) string {
		value, ok := chosen[strings.TrimPrefix(name, "$")]
		if !ok {
			t.Fatalf("%s: %s is no variable of the dashboard", expr, name)
		}
		return value
	})
}

// labelQuery is how a variable's values are found: label_values(series, label).
var labelQuery = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)

// labelQueries returns the series and the label that each variable is found by.
func (d dashboard) labelQueries(t *testing.T, chosen map[string]string) map[string][2]string {
	t.Helper()
	all := map[string][2]string{}
	for _, v := range d.Templating.List {
		if v.Type == "datasource" {
			continue
		}
		m := labelQuery.FindStringSubmatch(v.Definition)
		if m == nil {
			t.Fatalf("variable %s: no check for %q", v.Name, v.Definition)
		}
		all[v.Name] = [2]string{substitute(t, m[1], chosen), m[2]}
	}
	return all
}

// TestDashboard checks the dashboard as Grafana reads it. What it asks Prometheus is
// tried by TestPrometheusQueries.
func TestDashboard(t *testing.T) {
	needStrict(t)
	if _, errors := strict(t, dashboardFile); errors != "" {
		t.Errorf("%s: %s", dashboardFile, errors)
	}
}

const dashboardFile = "deploy/grafana/dashboards/fourseven.json"
