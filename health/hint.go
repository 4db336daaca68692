package health

import "errors"

// hinted is the error of a probe that a setting or the operator can remedy: the hint
// says how. Without a hint it is the error alone.
type hinted struct {
	error
	hint string
}

// Unwrap returns the error.
func (h hinted) Unwrap() error { return h.error }

// because returns what a log line says of a probe's error.
func because(err error) []any {
	if err == nil {
		return nil
	}
	attrs := []any{"err", err}
	if h := (hinted{}); errors.As(err, &h) && h.hint != "" {
		attrs = append(attrs, "hint", h.hint)
	}
	return attrs
}
