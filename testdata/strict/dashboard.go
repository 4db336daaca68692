package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// checkDashboard refuses fields that Grafana does not know, of the dashboard and of
// each panel's kind and query, and panels that lie over each other. A dashboard has
// no environment.
func checkDashboard(text []byte) ([]string, error) {
	registerPanels()
	var strict, d dashboard.Dashboard
	// The strict decoder returns its list of faults as an error when it is empty, too,
	// and then leaves the panels out: what follows reads the usual decoder's.
	var faults cog.BuildErrors
	if err := strict.UnmarshalJSONStrict(text); err != nil && (!errors.As(err, &faults) || len(faults) > 0) {
		return nil, err
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	return nil, errors.Join(d.Validate(), checkPanels(d))
}

// registerPanels tells the schema the kinds of panels and queries that are used:
// the fields of another kind would go unchecked.
func registerPanels() {
	runtime := cog.NewRuntime()
	for _, kind := range panelKinds() {
		runtime.RegisterPanelcfgVariant(kind)
	}
	runtime.RegisterDataqueryVariant(prometheus.VariantConfig())
}

func panelKinds() []variants.PanelcfgConfig {
	return []variants.PanelcfgConfig{
		stat.VariantConfig(), statetimeline.VariantConfig(), table.VariantConfig(), timeseries.VariantConfig(),
	}
}

func checkPanels(d dashboard.Dashboard) (err error) {
	titles := map[uint32]string{}
	cells := map[[2]uint32]string{}
	for _, p := range d.Panels {
		if p.Panel != nil && !known(p.Panel.Type) {
			err = errors.Join(err, fmt.Errorf("panel %q: no check for a %s", *p.Panel.Title, p.Panel.Type))
		}
		id, title, pos := identity(p)
		if other, taken := titles[id]; taken {
			err = errors.Join(err, fmt.Errorf("panels %q and %q have the same id %d", other, title, id))
		}
		titles[id] = title
		err = errors.Join(err, occupy(cells, title, pos))
	}
	return err
}

func known(kind string) bool {
	return slices.ContainsFunc(panelKinds(), func(c variants.PanelcfgConfig) bool { return c.Identifier == kind })
}

func identity(p dashboard.PanelOrRowPanel) (id uint32, title string, pos dashboard.GridPos) {
	if p.RowPanel != nil {
		return p.RowPanel.Id, *p.RowPanel.Title, *p.RowPanel.GridPos
	}
	return *p.Panel.Id, *p.Panel.Title, *p.Panel.GridPos
}

// occupy takes the panel's cells of the grid, which is 24 wide.
func occupy(cells map[[2]uint32]string, title string, pos dashboard.GridPos) error {
	if pos.X+pos.W > 24 {
		return fmt.Errorf("panel %q is not within the grid", title)
	}
	for x := pos.X; x < pos.X+pos.W; x++ {
		for y := pos.Y; y < pos.Y+pos.H; y++ {
			if other, taken := cells[[2]uint32{x, y}]; taken {
				return fmt.Errorf("panels %q and %q lie over each other", other, title)
			}
			cells[[2]uint32{x, y}] = title
		}
	}
	return nil
}
