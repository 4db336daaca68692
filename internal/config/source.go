package config

// Source is where the value of a setting comes from. The zero value is the
// setting's default.
type Source struct {
	kind     sourceKind
	path     string
	variable string // that was set, without _FILE
}

type sourceKind uint8

const (
	fromDefault sourceKind = iota
	fromEnvironment
	fromFile
)

// IsDefault reports whether the setting was not given.
func (s Source) IsDefault() bool { return s.kind == fromDefault }

// File returns the path of the file that holds the value, if it is from one.
func (s Source) File() (path string, ok bool) { return s.path, s.kind == fromFile }

// String returns default, environment, or file and its path.
func (s Source) String() string {
	return [...]string{"default", "environment", "file " + s.path}[s.kind]
}

// withVariable returns String and the variable that was set.
func (s Source) withVariable() string {
	switch s.kind {
	case fromEnvironment:
		return s.String() + ", " + s.variable
	case fromFile:
		return s.String() + ", " + s.variable + "_FILE"
	}
	return s.String()
}

// origins has the sources of a Service's or a Config's settings.
type origins struct {
	prefix  string            // of its variables: LB_, or LB_RW_ in the service rw
	sources map[string]Source // by the setting's name
}

func (o *origins) source(name string) Source { return o.sources[name] }

// Variable returns the variable that a setting, such as LB_BALANCE, comes from, or if it was not given the one
// that it could be given by.
func (o *origins) Variable(name string) string {
	if given := o.sources[name].variable; given != "" {
		return given
	}
	return o.own(name)
}

// variableBeside returns the variable of a setting as a report about it and another one
// names it. Beside an inherited one it is that for all services, also if it was not given:
// what the services have in common is one report.
func (o *origins) variableBeside(name, other string) string {
	if o.sources[name].variable == "" && o.inherits(other) {
		return name
	}
	return o.Variable(name)
}

// own returns the setting's variable that is for this holder alone.
func (o *origins) own(name string) string { return o.prefix + name[len(envPrefix):] }

// inherits reports whether the setting was given for all services.
func (o *origins) inherits(name string) bool {
	given := o.sources[name].variable
	return given != "" && given != o.own(name)
}
