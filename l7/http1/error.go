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

var (
	// ErrChunk is returned for chunks or trailers that break a rule of RFC 9112
	// section 7.1.
	ErrChunk = errors.New("malformed chunk")
	// ErrResponse is returned for a response that cannot be understood in one way
	// only.
	ErrResponse = errors.New("malformed response")

	errNoRoom = errors.New("buffer full")
)
