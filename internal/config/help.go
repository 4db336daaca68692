package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

const usage = `fourseven: an L4 (TCP) and L7 (HTTP) load balancer, set up by environment variables.

Usage: fourseven [command]

  (none)       run, with the settings below
  demo         run in front of two built-in backends: nothing else is needed
  check        print the effective settings and their sources, or what is wrong with them
  healthcheck  ask the running instance for /healthz, for a container's HEALTHCHECK;
               with --ready for /readyz
  version      print the version
  help         print this; with the name of a setting, print that one

Exit codes: 0 clean, 1 failure while running, 2 bad settings or usage.

Settings, all of them environment variables. off disables what can be disabled,
durations look like 500ms or 1m30s, sizes like 64KiB, lists have commas between
their entries. A variable that is set but empty is an error, except where the
default is empty. Each NAME can be given as NAME_FILE, the name of a file that
holds the value. An unknown LB_ variable is an error.

LB_SERVICES=rw,ro runs two services in one process, each with backends and
listeners of its own. LB_RW_BALANCE is then a setting of the service rw alone, and
LB_BALANCE the default of both. LB_L4_LISTEN and LB_L7_LISTEN have no such default:
a service listens where LB_RW_L4_LISTEN or LB_RW_L7_LISTEN says. LB_RW_MAX_CONNS
limits the client connections of the service rw.
`

// WriteHelp prints the usage, and every setting with its type, default and meaning.
func WriteHelp(w io.Writer) error {
	b := bytes.NewBufferString(usage)
	for _, part := range []struct {
		title    string
		settings []setting
	}{{"Settings of a service", flatSettings()}, {"Settings of the process", processSettings()}} {
		b.WriteString("\n" + part.title + ":\n")
		for _, s := range part.settings {
			b.WriteByte('\n')
			s.writeHelp(b)
		}
	}
	_, err := b.WriteTo(w)
	return err
}

// WriteSettingHelp prints one setting with its type, default and meaning. The name may be
// in lower case, without LB_, and with the name of a service in it.
func WriteSettingHelp(w io.Writer, name string) error {
	name = strings.TrimSuffix(strings.ToUpper(name), "_FILE")
	if !strings.HasPrefix(name, envPrefix) {
		name = envPrefix + name
	}
	var known []string
	for _, s := range settings() {
		if s.name == name {
			return s.printHelp(w)
		}
		known = append(known, s.name)
	}
	for _, s := range serviceSettings() {
		if word, ok := strings.CutSuffix(name, s.name[len(envPrefix)-1:]); ok && checkServiceName(strings.ToLower(strings.TrimPrefix(word, envPrefix))) == nil {
			return s.printHelp(w)
		}
	}
	if near := nearest(name, known); near != "" {
		return fmt.Errorf("unknown setting %s; did you mean %s?", name, near)
	}
	return fmt.Errorf("unknown setting %s; see fourseven help", name)
}

func (s setting) printHelp(w io.Writer) error {
	var b bytes.Buffer
	s.writeHelp(&b)
	_, err := b.WriteTo(w)
	return err
}

// helpWidth is the longest line of help, for a terminal of 80 columns.
const helpWidth = 79

func (s setting) writeHelp(b *bytes.Buffer) {
	kind, _ := s.kind()
	fallback := "default " + s.fallback()
	switch {
	case s.required():
		fallback = "required"
	case s.mayBeEmpty():
		fallback = "default empty"
	}
	fmt.Fprintf(b, "  %s  (%s, %s)\n", s.name, kind, fallback)
	const indent = "      "
	line := indent
	for word := range strings.FieldsSeq(s.help()) {
		switch {
		case line == indent:
			line += word
		case len(line)+1+len(word) > helpWidth:
			b.WriteString(line + "\n")
			line = indent + word
		default:
			line += " " + word
		}
	}
	b.WriteString(line + "\n")
}
