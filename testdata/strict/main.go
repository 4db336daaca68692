// Strict checks the examples in the folder beside it, in a module of its own so that
// fourseven needs none of what this takes: Kubernetes manifests are decoded as its
// API server does with fieldValidation=Strict, and what they say of each other is
// compared; a Nomad job is parsed as HCL; a Grafana dashboard is decoded by its schema,
// strictly. It takes a file, a folder of manifests, or - for manifests on standard input. It
// prints the environment of each container or task named fourseven, as NAME=value, and exits
// with 1 for a fault.
package main

import (
	"bytes"
	"fmt"
	"io"
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
	text, err := read(os.Args[1])
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

// read returns what is to be checked. The manifests of a folder become one text.
func read(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(os.Stdin)
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return os.ReadFile(path)
	}
	files, err := filepath.Glob(filepath.Join(path, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return bytes.Join(all, []byte("\n---\n")), nil
}
