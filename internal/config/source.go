package config

// Source is where the value of a setting comes from. The zero value is the
// setting's default.
type Source struct {
	kind sourceKind
	path string
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
