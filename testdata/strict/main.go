// Strict checks the examples in the folder beside it, in a module of its own so that
// fourseven needs none of what this takes: Kubernetes manifests are decoded as its
// API server does with fieldValidation=Strict, and what they say of each other is
// compared; a Nomad job is parsed as HCL; a Grafana dashboard is decoded by its schema,
// strictly. It prints the environment of each container or task named fourseven, as
// NAME=value, and exits with 1 for a fault.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	check := checkManifests
	switch filepath.Ext(os.Args[1]) {
	case ".hcl":
		check = checkJob
	case ".json":
		check = checkDashboard
	}
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		var environ []string
		environ, err = check(text)
		fmt.Println(strings.Join(environ, "\n"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
