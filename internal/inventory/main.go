// Inventory writes what a binary is made of: an SBOM in CycloneDX's format and the licences of
// its modules and of Go. It reads the list of modules in the binary, as go version -m does, and
// the modules' files in the module cache. The same binary gives the same files.
//
//	VERSION=v1.0.0 go run -C internal/inventory . /path/to/fourseven /path/to/folder
//
// It is a module of its own, so that fourseven needs nothing of what this takes.
package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"

	"golang.org/x/mod/module"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: inventory BINARY FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "inventory:", err)
		os.Exit(1)
	}
}

// component is a module that is linked, or Go.
type component struct {
	path, version string
	licences      map[string][]byte // by file name
	spdx          string            // identifier of the licence
}

func write(binary, folder string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	all, err := components(info)
	if err != nil {
		return err
	}
	for _, c := range all {
		if err := c.writeLicences(filepath.Join(folder, "licenses")); err != nil {
			return err
		}
	}
	return writeSBOM(info, all, filepath.Join(folder, "sbom.cdx.json"))
}

// components returns Go and the linked modules with their licences.
func components(info *debug.BuildInfo) ([]component, error) {
	goroot, cache, err := goFolders()
	if err != nil {
		return nil, err
	}
	language := component{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}
	if err := language.readLicences(goroot); err != nil {
		return nil, err
	}
	all := []component{language}
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		path, err := module.EscapePath(dep.Path)
		if err != nil {
			return nil, err
		}
		c := component{path: dep.Path, version: dep.Version}
		if err := c.readLicences(filepath.Join(cache, filepath.FromSlash(path)+"@"+dep.Version)); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func goFolders() (goroot, cache string, err error) {
	out, err := exec.Command("go", "env", "GOROOT", "GOMODCACHE").Output()
	if err != nil {
		return "", "", fmt.Errorf("go env: %w", err)
	}
	goroot, cache, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	return goroot, cache, nil
}
