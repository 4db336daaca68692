package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/hashicorp/go-multierror"
)

// loadConfig reads the settings from environ, a list of NAME=value such as
// os.Environ. Its error lists every fault, one a line: those of a setting in the
// order of config, then those of settings together, then unknown names.
func loadConfig(environ []string) (config, error) {
	l := &loader{
		environ: env.ToMap(environ),
		values:  map[string]string{},
		config:  config{sources: map[string]string{}},
		faults:  map[string][]error{},
	}
	errs := &multierror.Error{ErrorFormat: onePerLine}
	for _, s := range settings() {
		l.read(s)
	}
	l.parse()
	for _, s := range settings() {
		if len(l.faults[s.name]) == 0 && !s.inRange(&l.config) {
			l.fault(s.name, l.unexpected(s))
		}
		errs = multierror.Append(errs, l.faults[s.name]...)
	}
	errs = multierror.Append(errs, l.config.conflicts()...)
	errs = multierror.Append(errs, l.strangers()...)
	return l.config, errs.ErrorOrNil()
}

func onePerLine(errs []error) string {
	var lines []string
	for _, err := range errs {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "\n")
}

// loader turns an environment into a config. It stands around env.Parse, which
// names fields instead of variables, takes a default for a variable that is set
// but empty, ignores names it does not know, and keeps a file's last newline.
type loader struct {
	environ map[string]string
	values  map[string]string // the settings' texts, whether from a variable or a file
	config  config
	faults  map[string][]error // by variable
}

func (l *loader) fault(name string, err error) { l.faults[name] = append(l.faults[name], err) }

// read takes the text of one setting from its variable, or from the file that
// its _FILE variable names. A text that is sure not to parse is not taken.
func (l *loader) read(s setting) {
	text, set := l.environ[s.name]
	path, filed := l.environ[s.name+"_FILE"]
	switch {
	case set && filed:
		l.fault(s.name, fmt.Errorf("%s_FILE=%q: %s is set as well, expected one of the two", s.name, path, s.name))
		return
	case filed:
		content, err := os.ReadFile(path)
		if err != nil {
			l.fault(s.name, fmt.Errorf("%s_FILE=%q: expected a file to read: %w", s.name, path, pathCause(err)))
			return
		}
		text = strings.TrimRight(string(content), "\r\n")
		l.config.sources[s.name] = "file " + path
	case set:
		l.config.sources[s.name] = "environment"
	default:
		return
	}
	if text == "off" && s.mayBeOff() {
		text = "0"
	}
	l.values[s.name] = text
	if text == "" && !s.mayBeEmpty() || !s.allows(text) {
		l.fault(s.name, l.unexpected(s))
		delete(l.values, s.name)
	}
}

// pathCause strips the path that a message gives already.
func pathCause(err error) error {
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// parse sets the fields of the config. A setting without a text gets its default.
func (l *loader) parse() {
	err := env.ParseWithOptions(&l.config, env.Options{Environment: l.values, Prefix: envPrefix})
	var all env.AggregateError
	if !errors.As(err, &all) {
		return
	}
	for _, err := range all.Errors {
		l.translate(err)
	}
}

// translate adds an error of env.Parse to the faults, in terms of the variable.
func (l *loader) translate(err error) {
	var unset env.VarIsNotSetError
	var bad env.ParseError
	for _, s := range settings() {
		switch {
		case errors.As(err, &unset) && unset.Key == s.name:
			if len(l.faults[s.name]) == 0 { // else it was set, and not taken
				l.fault(s.name, fmt.Errorf("%s: not set, expected %s", s.name, s.expected()))
			}
			return
		case errors.As(err, &bad) && bad.Name == s.field.Name:
			l.rejected(s, bad.Err)
			return
		}
	}
	panic(err) // config has a field that env cannot parse
}

// rejected adds the error of a type's UnmarshalText to the faults.
func (l *loader) rejected(s setting, err error) {
	var entries *multierror.Error
	if !errors.As(err, &entries) {
		l.fault(s.name, l.unexpected(s))
		return
	}
	for _, entry := range entries.Errors {
		l.fault(s.name, fmt.Errorf("%s: %w%s", s.name, entry, l.origin(s)))
	}
}

// unexpected returns the fault of a setting whose text is not what it takes.
func (l *loader) unexpected(s setting) error {
	text, hint := l.values[s.name], ""
	if text == "" {
		hint = "; unset it for the default " + s.fallback()
	}
	if s.required() {
		hint = ""
	}
	if s.hidden(&l.config) {
		return fmt.Errorf("%s%s: expected %s", s.name, l.origin(s), s.expected())
	}
	return fmt.Errorf("%s=%q%s: expected %s%s", s.name, text, l.origin(s), s.expected(), hint)
}

func (l *loader) origin(s setting) string {
	if source := l.config.sources[s.name]; strings.HasPrefix(source, "file ") {
		return " (" + source + ")"
	}
	return ""
}

// strangers returns a fault for each variable with our prefix that is no setting.
func (l *loader) strangers() []error {
	var known []string
	for _, s := range settings() {
		known = append(known, s.name, s.name+"_FILE")
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(l.environ)) {
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(known, name) {
			continue
		}
		value, hint := l.environ[name], "see fourseven help"
		if near := nearest(strings.ToUpper(name), known); near != "" {
			hint = "did you mean " + near + "?"
		}
		if m := serviceLink.FindStringSubmatch(name + "=" + value); m != nil {
			service := strings.ToLower(strings.ReplaceAll("lb"+m[1], "_", "-"))
			hint = "Kubernetes sets it for a Service named " + service + "; enableServiceLinks: false in the pod's spec turns that off"
		}
		if !soundsSecret(name) {
			name += fmt.Sprintf("=%q", value)
		}
		errs = append(errs, fmt.Errorf("%s: unknown setting; %s", name, hint))
	}
	return errs
}

// soundsSecret reports whether the value of an unknown variable is likely to be one
// that must not be shown: LB_ADMIN_TOKEN misspelt, or what somebody took it to be.
func soundsSecret(name string) bool {
	return secretWord.MatchString(name) || nearest(strings.ToUpper(name), []string{"LB_ADMIN_TOKEN"}) != ""
}

var secretWord = regexp.MustCompile(`(?i)TOKEN|SECRET|PASS|KEY`)

// serviceLink matches the variables that Kubernetes sets in a pod for a Service
// whose name is lb or begins with lb-.
// https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
var serviceLink = regexp.MustCompile(`^LB((?:_\w+?)?)_(?:SERVICE_(?:HOST|PORT\w*)=|PORT_\d+_(?:TCP|UDP|SCTP)\w*=|PORT=(?:tcp|udp|sctp)://)`)

// nearest returns the known name that a misspelt one is likely to mean, or "".
func nearest(name string, known []string) string {
	best, least := "", min(3, (len(name)-len(envPrefix))/2)
	for _, k := range known {
		if d := editDistance(name, k); d < least || d == least && best == "" {
			best, least = k, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions and substitutions of bytes that
// make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1) // distances of a's first i bytes to each start of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
