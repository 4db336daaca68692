// Helm lints the chart in a folder and prints what it renders with the values of a file, in a
// module of its own so that fourseven needs none of Helm's. Warnings are faults.
package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir, valuesFile string) error {
	if err := check(dir, valuesFile); err != nil {
		return err
	}
	return render(dir, valuesFile)
}

// check reads the values for itself: linting changes them.
func check(dir, valuesFile string) error {
	values, err := common.ReadValuesFile(valuesFile)
	if err != nil {
		return err
	}
	for _, m := range lint.RunAll(dir, values, "edge").Messages {
		if m.Severity >= support.WarningSev {
			err = errors.Join(err, m)
		}
	}
	return err
}

func render(dir, valuesFile string) error {
	values, err := common.ReadValuesFile(valuesFile)
	if err != nil {
		return err
	}
	chart, err := loader.Load(dir)
	if err != nil {
		return err
	}
	options := common.ReleaseOptions{Name: "fourseven", Namespace: "edge", Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(chart, values, options, common.DefaultCapabilities)
	if err != nil {
		return err
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, ".yaml") && strings.TrimSpace(files[name]) != "" {
			fmt.Printf("---\n%s\n", strings.TrimSpace(files[name]))
		}
	}
	return nil
}
