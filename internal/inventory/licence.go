package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// licenceFile matches the files whose text must come with a binary.
var licenceFile = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying|^notice|^patents`)

// readLicences reads the licences in a module's folder. A module without one is an error.
func (c *component) readLicences(folder string) error {
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	c.licences = map[string][]byte{}
	for _, file := range files {
		if !file.Type().IsRegular() || !licenceFile.MatchString(file.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return err
		}
		c.licences[file.Name()] = text
		if id := identify(string(text)); id != "" && c.spdx == "" {
			c.spdx = id
		}
	}
	if c.spdx == "" {
		return fmt.Errorf("%s %s: no licence that is known in %s", c.path, c.version, folder)
	}
	return nil
}

// signs are passages that a licence has. Where several are in one text, the first is the
// module's own.
var signs = []struct {
	spdx    string
	passage *regexp.Regexp
}{
	{"Apache-2.0", regexp.MustCompile(`apache license,? version 2\.0`)},
	{"MPL-2.0", regexp.MustCompile(`mozilla public license,? version 2\.0`)},
	{"BSD-3-Clause", regexp.MustCompile(`redistributions of source code must retain.{0,900}neither the name`)},
	{"BSD-2-Clause", regexp.MustCompile(`redistributions of source code must retain`)},
	{"MIT", regexp.MustCompile(`permission is hereby granted, free of charge`)},
	{"ISC", regexp.MustCompile(`permission to use, copy, modify, and(/or)? distribute this software for any purpose`)},
}

// identify returns the SPDX identifier of a licence's text, or nothing.
func identify(text string) (spdx string) {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	first := len(text)
	for _, sign := range signs {
		if at := sign.passage.FindStringIndex(text); at != nil && at[0] < first {
			spdx, first = sign.spdx, at[0]
		}
	}
	return spdx
}

// writeLicences writes the licences to a folder named after the module.
func (c *component) writeLicences(folder string) error {
	folder = filepath.Join(folder, filepath.FromSlash(c.path))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, text := range c.licences {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
