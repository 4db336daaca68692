package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// outputs are the files of -json and -html. They are opened before anything is
// measured, so that a bad name costs no time, and get their names only when they
// are complete, so that an older report survives a run that fails.
type outputs []*output

type output struct {
	name   string
	file   *os.File
	render func(io.Writer, *report) error
}

// openOutputs opens what opts ask for. The caller must close the result.
func openOutputs(opts options) (outputs, error) {
	var list outputs
	for _, o := range []output{{name: opts.jsonFile, render: writeJSON}, {name: opts.htmlFile, render: writeHTML}} {
		if o.name == "" {
			continue
		}
		file, err := os.CreateTemp(filepath.Dir(o.name), ".bench-*")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("write %s: %w", o.name, err), list.close())
		}
		list = append(list, &output{o.name, file, o.render})
	}
	return list, nil
}

// write writes the report to all files and gives them their names.
func (list outputs) write(r *report) error {
	for _, o := range list {
		if err := errors.Join(o.render(o.file, r), o.file.Chmod(0o644)); err != nil {
			return err
		}
		if err := os.Rename(o.file.Name(), o.name); err != nil {
			return err
		}
	}
	return nil
}

// close closes the files and removes those that were not written.
func (list outputs) close() error {
	var errs []error
	for _, o := range list {
		errs = append(errs, o.file.Close())
		if err := os.Remove(o.file.Name()); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func writeJSON(w io.Writer, r *report) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
