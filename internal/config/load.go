package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/hashicorp/go-multierror"
)

// Load reads the settings from environ, a list of NAME=value such as os.Environ. Its
// error lists every fault, one a line: those of single settings in the order of
// Config, then those of several settings together, then unknown variables.
func Load(environ []string) (Config, error) {
	l := newLoader(environ)
	errs := l.load(context.Background(), settings())
	errs = multierror.Append(errs, l.config.conflicts()...)
	errs = multierror.Append(errs, l.strangers()...)
	return l.config, errs.ErrorOrNil()
}

// ReadBackends reads a list of backends from a file, as LB_BACKENDS_FILE=path does. It
// returns early with an error when the context is done.
func ReadBackends(ctx context.Context, path string) (Backends, error) {
	c, err := loadOne(ctx, "LB_BACKENDS", []string{"LB_BACKENDS_FILE=" + path})
	return c.Backends, err
}

// LoadAdminListen reads LB_ADMIN_LISTEN alone: other settings may be missing or wrong.
func LoadAdminListen(environ []string) (Address, error) {
	c, err := loadOne(context.Background(), "LB_ADMIN_LISTEN", environ)
	return c.AdminListen, err
}

// loadOne reads one setting; the others have their defaults.
func loadOne(ctx context.Context, name string, environ []string) (Config, error) {
	its := slices.DeleteFunc(settings(), func(s setting) bool { return s.name != name })
	l := newLoader(environ)
	errs := l.load(ctx, its)
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
	config  Config
	faults  map[string][]error // by variable
}

func newLoader(environ []string) *loader {
	return &loader{
		environ: env.ToMap(environ),
		values:  map[string]string{},
		config:  Config{sources: map[string]Source{}},
		faults:  map[string][]error{},
	}
}

// load reads these settings into the config, and returns their faults.
func (l *loader) load(ctx context.Context, all []setting) *multierror.Error {
	errs := &multierror.Error{ErrorFormat: onePerLine}
	for _, s := range all {
		l.read(ctx, s)
	}
	l.parse()
	for _, s := range all {
		if len(l.faults[s.name]) == 0 && !s.inRange(&l.config) {
			l.fault(s.name, l.unexpected(s))
		}
		errs = multierror.Append(errs, l.faults[s.name]...)
	}
	return errs
}

func (l *loader) fault(name string, err error) { l.faults[name] = append(l.faults[name], err) }

// read takes the text of one setting from its variable, or from the file that
// its _FILE variable names. A text that is sure not to parse is not taken.
func (l *loader) read(ctx context.Context, s setting) {
	text, set := l.environ[s.name]
	path, filed := l.environ[s.name+"_FILE"]
	switch {
	case set && filed:
		l.fault(s.name, fmt.Errorf("%s_FILE=%q: %s is set as well, expected one of the two", s.name, path, s.name))
		return
	case filed:
		content, err := readFile(ctx, path)
		if err != nil {
			l.fault(s.name, fmt.Errorf("%s_FILE=%q: expected a file to read: %w", s.name, path, err))
			return
		}
		if text = strings.TrimRight(content, "\r\n"); s.isList() && text != "" {
			text = joinLines(text)
		}
		l.config.sources[s.name] = Source{fromFile, path}
	case set:
		l.config.sources[s.name] = Source{kind: fromEnvironment}
	default:
		return
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
	text := l.values[s.name]
	hint := s.meant(text)
	if text == "" && !s.required() {
		hint = "; unset it for the default " + s.fallback()
	}
	if s.hidden(&l.config) {
		return fmt.Errorf("%s%s: expected %s", s.name, l.origin(s), s.expected())
	}
	return fmt.Errorf("%s=%q%s: expected %s%s", s.name, text, l.origin(s), s.expected(), hint)
}

func (l *loader) origin(s setting) string {
	source := l.config.sources[s.name]
	if _, ok := source.File(); ok {
		return " (" + source.String() + ")"
	}
	return ""
}
