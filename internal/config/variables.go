package config

import (
	"context"

	"github.com/caarlos0/env/v11"
)

// variables are the environment, and the files that its variables name: each is read
// once, also when several services inherit it.
type variables struct {
	texts map[string]string // by name
	files map[string]fileText
}

type fileText struct {
	content string
	err     error
}

func newVariables(environ []string) *variables {
	return &variables{env.ToMap(environ), map[string]fileText{}}
}

// has reports whether the variable is set, itself or with _FILE.
func (v *variables) has(name string) bool {
	_, set := v.texts[name]
	_, filed := v.texts[name+"_FILE"]
	return set || filed
}

// file returns the content of a file.
func (v *variables) file(ctx context.Context, path string) (string, error) {
	f, ok := v.files[path]
	if !ok {
		f.content, f.err = readFile(ctx, path)
		v.files[path] = f
	}
	return f.content, f.err
}
