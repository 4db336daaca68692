package config

import (
	"bytes"
	"fmt"
	"io"
)

const usage = `fourseven: an L4 (TCP) and L7 (HTTP) load balancer, set up by environment variables.

Usage: fourseven [command]

  (none)       run, with the settings below
  demo         run in front of two built-in backends: nothing else is needed
  check        print the effective settings and their sources, or what is wrong with them
  healthcheck  ask the running instance whether it lives, for a container's HEALTHCHECK
  version      print the version
  help         print this

Exit codes: 0 clean, 1 failure while running, 2 bad settings.

Settings, all of them environment variables. off disables what can be disabled,
durations look like 500ms or 1m30s, sizes like 64KiB, lists have commas between
their entries. A variable that is set but empty is an error, except where the
default is empty. Each NAME can be given as NAME_FILE, the name of a file that
holds the value. An unknown LB_ variable is an error.
`

// WriteHelp prints the usage, and every setting with its type, default and
// meaning.
func WriteHelp(w io.Writer) error {
	b := bytes.NewBufferString(usage)
	for _, s := range settings() {
		kind, _ := s.kind()
		fallback := "default " + s.fallback()
		switch {
		case s.required():
			fallback = "required"
		case s.mayBeEmpty():
			fallback = "default empty"
		}
		fmt.Fprintf(b, "\n  %s  (%s, %s)\n      %s\n", s.name, kind, fallback, s.help())
	}
	_, err := b.WriteTo(w)
	return err
}
