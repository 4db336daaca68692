package config

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/hashicorp/go-multierror"
)

// Load reads the settings from environ, a list of NAME=value such as os.Environ. Its
// error lists every fault once, one a line: those of single settings, first of services
// and then of the process, those of several settings together, then unknown variables.
func Load(environ []string) (Config, error) {
	vars := newVariables(environ)
	c := &Config{}
	process := newLoader(vars, c, &c.origins, envPrefix)
	ofProcess := process.load(context.Background(), processSettings())
	flat := len(c.Names.Valid)+len(c.Names.Invalid) == 0 && len(process.faults["LB_SERVICES"]) == 0
	var errs []error
	if flat {
		errs = c.loadOnly(vars)
	} else {
		errs = c.loadNamed(vars)
	}
	errs = slices.Concat(errs, ofProcess, c.conflicts(), c.strangers(vars))
	return *c, eachOnce(errs)
}

// loadOnly reads the settings of the only service.
func (c *Config) loadOnly(vars *variables) []error {
	s := &Service{}
	c.Services = []*Service{s}
	return newLoader(vars, s, &s.origins, envPrefix).load(context.Background(), flatSettings())
}

// eachOnce returns an error of these errors, without those that have the text of another
// one: services share the faults of what they inherit.
func eachOnce(errs []error) error {
	all := &multierror.Error{ErrorFormat: onePerLine}
	seen := map[string]bool{}
	for _, err := range errs {
		if text := err.Error(); !seen[text] {
			seen[text] = true
			all = multierror.Append(all, err)
		}
	}
	return all.ErrorOrNil()
}

// BackendsFile is a file with a list of backends, which can be read again. Its methods are
// for one goroutine.
type BackendsFile struct {
	Variable, Path string // that names the file with _FILE behind it; the file

	reader fileReader
}

// Read reads the list, as at the start. It returns the file's text as well, also if that is
// no list. It returns early with an error when the context is done, and if the file hangs.
func (f *BackendsFile) Read(ctx context.Context) (list Backends, text string, err error) {
	var now fileText
	now.content, now.err = f.reader.read(ctx, f.Path)
	s := &Service{}
	vars := newVariables([]string{f.Variable + "_FILE=" + f.Path})
	vars.files[f.Path] = now
	l := newLoader(vars, s, &s.origins, strings.TrimSuffix(f.Variable, "BACKENDS"))
	err = eachOnce(l.load(ctx, only(serviceSettings(), "LB_BACKENDS")))
	return s.Backends, now.content, err
}

// LoadAdminListen reads LB_ADMIN_LISTEN alone: other settings may be missing or wrong.
func LoadAdminListen(environ []string) (Address, error) {
	c := &Config{}
	l := newLoader(newVariables(environ), c, &c.origins, envPrefix)
	errs := l.load(context.Background(), only(processSettings(), "LB_ADMIN_LISTEN"))
	return c.AdminListen, eachOnce(errs)
}

// only returns the setting of that name.
func only(all []setting, name string) []setting {
	return slices.DeleteFunc(slices.Clone(all), func(s setting) bool { return s.name != name })
}

func onePerLine(errs []error) string {
	var lines []string
	for _, err := range errs {
		lines = append(lines, err.Error())
	}
	return strings.Join(lines, "\n")
}

// loader reads the settings of one service, or of the process. It stands around
// env.Parse, which names fields instead of variables, takes a default for a variable
// that is set but empty, ignores names it does not know, and keeps a file's last newline.
type loader struct {
	vars   *variables
	target holder
	*origins
	values map[string]string  // the settings' texts, whether from a variable or a file
	faults map[string][]error // by setting
}

// newLoader returns a loader into target, whose origins are those given. The prefix is
// that of the target's own variables.
func newLoader(vars *variables, target holder, o *origins, prefix string) *loader {
	*o = origins{prefix: prefix, sources: map[string]Source{}}
	return &loader{vars: vars, target: target, origins: o, values: map[string]string{}, faults: map[string][]error{}}
}

// named reports whether the settings are those of a named service.
func (l *loader) named() bool { return l.prefix != envPrefix }

// load reads these settings into the target, and returns their faults.
func (l *loader) load(ctx context.Context, all []setting) (errs []error) {
	for _, s := range all {
		l.read(ctx, s)
	}
	l.parse()
	for _, s := range all {
		if len(l.faults[s.name]) == 0 && !s.inRange(l.target) {
			l.fault(s.name, l.unexpected(s))
		}
		errs = append(errs, l.faults[s.name]...)
	}
	return errs
}

func (l *loader) fault(name string, err error) { l.faults[name] = append(l.faults[name], err) }

// given returns the variable that sets a setting, directly or by _FILE: the holder's own,
// or else the one for all services.
func (l *loader) given(s setting) (variable string, ok bool) {
	if own := l.own(s.name); l.vars.has(own) {
		return own, true
	}
	_, alone := s.alone()
	return s.name, l.named() && !alone && l.vars.has(s.name)
}

// read takes the text of one setting from its variable, or from the file that its _FILE
// variable names. A text that certainly does not parse is not used.
func (l *loader) read(ctx context.Context, s setting) {
	variable, ok := l.given(s)
	if !ok {
		if fallback, alone := s.alone(); alone && l.named() {
			l.values[s.name] = fallback
		}
		return
	}
	text, set := l.vars.texts[variable]
	path, filed := l.vars.texts[variable+"_FILE"]
	l.sources[s.name] = Source{kind: fromEnvironment, variable: variable}
	if filed {
		l.sources[s.name] = Source{kind: fromFile, path: path, variable: variable}
	}
	switch {
	case set && filed:
		l.fault(s.name, fmt.Errorf("%s: %s is set as well, expected one of the two", shownFile(s, variable, path), variable))
		return
	case filed:
		content, err := l.vars.file(ctx, path)
		if err != nil {
			l.fault(s.name, fmt.Errorf("%s: expected a file to read: %w", shownFile(s, variable, path), err))
			return
		}
		text = strings.TrimRight(content, "\r\n")
		if s.secret() && strings.TrimSpace(text) == "" {
			l.fault(s.name, fmt.Errorf("%s_FILE: the file %s is empty, expected the value of %s", variable, path, variable))
			return
		}
		if s.isList() && text != "" {
			text = joinLines(text)
		}
	}
	if s.choices() != nil {
		text = strings.ToLower(text)
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

// shownFile returns a _FILE variable with its value, unless that may be the secret itself
// in place of the name of its file.
func shownFile(s setting, variable, path string) string {
	if s.secret() && path != "" {
		return variable + "_FILE"
	}
	return fmt.Sprintf("%s_FILE=%q", variable, path)
}

// parse sets the fields of the target. A setting without a text gets its default.
func (l *loader) parse() {
	err := env.ParseWithOptions(l.target, env.Options{Environment: l.values, Prefix: envPrefix})
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
	for _, s := range settingsOf(reflect.TypeOf(l.target).Elem()) {
		switch {
		case errors.As(err, &unset) && unset.Key == s.name:
			if len(l.faults[s.name]) == 0 { // else it was set, and not taken
				l.fault(s.name, l.missing(s))
			}
			return
		case errors.As(err, &bad) && bad.Name == s.field.Name:
			l.rejected(s, bad.Err)
			return
		}
	}
	panic(err) // config has a field that env cannot parse
}

// missing returns the fault of a setting that is required and not set.
func (l *loader) missing(s setting) error {
	names := l.own(s.name)
	if l.named() {
		names += " or " + s.name
	}
	return fmt.Errorf("%s: not set, expected %s", names, s.expected())
}

// rejected adds the error of a type's UnmarshalText to the faults.
func (l *loader) rejected(s setting, err error) {
	var entries *multierror.Error
	if !errors.As(err, &entries) {
		l.fault(s.name, l.unexpected(s))
		return
	}
	for _, entry := range entries.Errors {
		l.fault(s.name, fmt.Errorf("%s: %w%s", l.Variable(s.name), entry, l.origin(s)))
	}
}

// unexpected returns the fault of a setting whose text is not what it takes.
func (l *loader) unexpected(s setting) error {
	text, variable := l.values[s.name], l.Variable(s.name)
	hint := s.meant(text)
	if text == "" && !s.required() {
		hint = "; unset it for " + l.withoutIt(s, variable)
	}
	if s.hidden(l.target) {
		return fmt.Errorf("%s%s: expected %s%s", variable, l.origin(s), s.expected(), hint)
	}
	return fmt.Errorf("%s=%q%s: expected %s%s", variable, text, l.origin(s), s.expected(), hint)
}

// withoutIt describes the setting's value if the variable is not set.
func (l *loader) withoutIt(s setting, variable string) string {
	fallback, alone := s.alone()
	switch {
	case !l.named() || variable == s.name || !alone && !l.vars.has(s.name):
		return "the default " + s.fallback()
	case alone:
		return "the default " + fallback
	}
	return s.name
}

func (l *loader) origin(s setting) string {
	source := l.source(s.name)
	if _, ok := source.File(); ok {
		return " (" + source.String() + ")"
	}
	return ""
}
