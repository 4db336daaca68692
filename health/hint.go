package health

import "errors"

// hinted is the error of a probe that a setting or the operator can remedy: the hint
// names the remedy. Without a hint it is the error alone.
type hinted struct {
	error
	hint string
}

// Unwrap returns the error.
func (h hinted) Unwrap() error { return h.error }

// because returns the attributes of a log line about a probe's error.
func because(err error) []any {
	if err == nil {
		return nil
	}
	attrs := []any{"err", err}
	if hint := Hint(err); hint != "" {
		attrs = append(attrs, "hint", hint)
	}
	return attrs
}

// Hint returns what remedies a probe's or a dial's error, or nothing if that is not known.
func Hint(err error) string {
	var h hinted
	var tls *HandshakeError
	switch {
	case errors.As(err, &h):
		return h.hint
	case errors.As(err, &tls):
		return tls.Hint
	}
	return ""
}
