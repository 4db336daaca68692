package http1

import (
	"errors"
	"fmt"
)

// Error is why a request's head is refused.
type Error struct {
	Status int    // of the response to send
	Reason string // for the log; the client is not told
}

func (e *Error) Error() string { return fmt.Sprintf("refused with %d: %s", e.Status, e.Reason) }

func bad(reason string) error { return &Error{400, reason} }

// ResponseError is why a response is refused.
type ResponseError struct {
	Rule  string // what is wrong: one of a few constant texts
	Field string // the name of the field that is at fault, cut off if it is long; or empty
}

func (e *ResponseError) Error() string {
	if e.Field == "" {
		return "malformed response: " + e.Rule
	}
	return fmt.Sprintf("malformed response: %s: %q", e.Rule, e.Field)
}

// maxNamedField is how many bytes of a field's name a ResponseError has.
const maxNamedField = 64

func badField(rule string, name []byte) error {
	return &ResponseError{rule, string(name[:min(len(name), maxNamedField)])}
}

// ErrChunk is returned for chunks or trailers that break a rule of RFC 9112 section 7.1.
// The errors that wrap it state the rule.
var ErrChunk = errors.New("malformed chunk")

var (
	errChunkSize    = fmt.Errorf("%w size", ErrChunk)
	errChunkEnd     = fmt.Errorf("%w: no line end behind its data", ErrChunk)
	errTrailer      = fmt.Errorf("%w: trailer section", ErrChunk)
	errManyTrailers = fmt.Errorf("%w: too many trailers", ErrChunk)

	errNoRoom = errors.New("buffer full")
)
