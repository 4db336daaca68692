//go:build linux

package e2e

import (
	"context"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"

	"github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

const (
	prometheusDir = "deploy/prometheus"
	rulesFile     = prometheusDir + "/fourseven.rules.yml"
	unitTests     = prometheusDir + "/fourseven.rules.test.yml"
)

// monitor is a running Prometheus that has scraped its targets.
type monitor struct {
	t   *testing.T
	api promv1.API
}

// observe starts a Prometheus with the example's configuration, which scrapes this
// address instead, and far more often.
func observe(t *testing.T, target string) *monitor {
	t.Helper()
	testkit.Need(t, "prometheus", "prometheus")
	dir, addr := t.TempDir(), testkit.ReserveAddr(t)
	config := readFile(t, prometheusDir+"/prometheus.yml")
	for old, new := range map[string]string{
		"fourseven:9900": target, "scrape_interval: 5s": "scrape_interval: 200ms", "evaluation_interval: 5s": "evaluation_interval: 200ms",
	} {
		if strings.Count(config, old) != 1 {
			t.Fatalf("prometheus.yml should have %q once", old)
		}
		config = strings.Replace(config, old, new, 1)
	}
	for name, text := range map[string]string{"prometheus.yml": config, filepath.Base(rulesFile): readFile(t, rulesFile)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, exec.Command("prometheus", "--config.file="+dir+"/prometheus.yml", "--storage.tsdb.path="+dir+"/data",
		"--web.listen-address="+addr, "--log.level=warn"))
	return prometheusAt(t, "http://"+addr)
}

// prometheusAt returns when all targets were scraped and all rules evaluated.
func prometheusAt(t *testing.T, url string) *monitor {
	t.Helper()
	client, err := api.NewClient(api.Config{Address: url})
	if err != nil {
		t.Fatal(err)
	}
	p := &monitor{t, promv1.NewAPI(client)}
	testkit.Eventually(t, "Prometheus to scrape its targets", p.scrapes)
	testkit.Eventually(t, "Prometheus to evaluate its rules", func() bool {
		rules := p.alerts()
		for _, rule := range rules {
			if rule.Health == promv1.RuleHealthBad {
				t.Fatalf("%s: %s", rule.Name, rule.LastError)
			}
			if rule.Health != promv1.RuleHealthGood {
				return false
			}
		}
		return len(rules) > 0
	})
	return p
}

func (p *monitor) scrapes() bool {
	targets, err := p.api.Targets(p.t.Context())
	for _, target := range targets.Active {
		if target.Health != promv1.HealthGood {
			return false
		}
	}
	return err == nil && len(targets.Active) > 0
}

// alerts returns the alerting rules, or none while it does not answer.
func (p *monitor) alerts() (all []promv1.AlertingRule) {
	p.t.Helper()
	rules, err := p.api.Rules(p.t.Context(), nil)
	if err != nil {
		return nil
	}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			alert, ok := rule.(promv1.AlertingRule)
			if !ok {
				p.t.Fatalf("%s: not an alert but a %T, which this test does not know", group.Name, rule)
			}
			all = append(all, alert)
		}
	}
	return all
}

// query returns the series of an expression that have a number.
func (p *monitor) query(expr string) model.Vector {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), testkit.Patience)
	defer cancel()
	value, warnings, infos, err := p.api.Query(ctx, expr, time.Now())
	if err != nil || len(warnings)+len(infos) > 0 {
		p.t.Fatalf("%s: %v %v %v", expr, warnings, infos, err)
	}
	var numbers model.Vector
	for _, sample := range value.(model.Vector) {
		if !math.IsNaN(float64(sample.Value)) {
			numbers = append(numbers, sample)
		}
	}
	return numbers
}

// labelValues returns what a label is among the series that match.
func (p *monitor) labelValues(label, match string) model.LabelValues {
	p.t.Helper()
	values, warnings, infos, err := p.api.LabelValues(p.t.Context(), label, []string{match}, time.Now().Add(-time.Minute), time.Now())
	if err != nil || len(warnings)+len(infos) > 0 {
		p.t.Fatalf("%s of %s: %v %v %v", label, match, warnings, infos, err)
	}
	return values
}
