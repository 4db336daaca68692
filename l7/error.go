package l7

import (
	"errors"
	"fmt"
)

// httpError is an error that the proxy itself responds with: the request is refused,
// or could not be forwarded.
type httpError struct {
	status int
	text   string // for the client; if empty, what the status means
	cause  error  // for the log, not for the client; nil if the text is enough
}

func (e *httpError) Error() string { return fmt.Sprintf("%d: %v", e.status, e.cause) }

func (e *httpError) Unwrap() error { return e.cause }

// refuses reports whether the request is at fault, and not a backend or we.
func (e *httpError) refuses() bool {
	switch e.status {
	case 500, 502, 503, 504, 404: // 404 is that of no route
		return false
	}
	return true
}

// Causes of refused requests. Their texts are what the access log shows.
var (
	errNoHost      = errors.New("no Host")
	errSlowHead    = errors.New("slow head")
	errSlowBody    = errors.New("slow body")
	errBadBody     = errors.New("malformed body")
	errLarge       = errors.New("body over the limit")
	errLargeLength = errors.New("Content-Length over the limit")
)

// errGone ends an exchange in which nothing more can be sent to the client.
var errGone = errors.New("nothing more can be sent to the client")

// errorFor returns what an error before the end of the response means for the client:
// an *httpError or errGone. Nil stays nil.
func (ex *exchange) errorFor(err error) error {
	if err == nil {
		return nil
	}
	switch ex.conn.stopped {
	case clientLeft, closing, byOperator:
		return errGone
	case badBody:
		return &httpError{status: 400, cause: errBadBody}
	case largeBody:
		return &httpError{status: 413, cause: errLarge}
	case slowBody:
		return &httpError{status: 408, cause: errSlowBody}
	case backendDown:
		return &httpError{status: 502, cause: errDown}
	case timedOut:
		return &httpError{status: 504, cause: err}
	}
	return &httpError{status: 502, cause: err}
}
