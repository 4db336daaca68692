package health

import (
	"context"
	"errors"
	"net"
)

// LookupResult is the result of a lookup.
type LookupResult uint8

// The results of a lookup.
const (
	LookupOK       LookupResult = iota
	LookupNotFound              // the name does not exist, or has no such records
	LookupTimeout
	LookupError // anything else, such as SERVFAIL
	numLookupResults
)

// LookupResults are all results of a lookup.
var LookupResults = [numLookupResults]LookupResult{LookupOK, LookupNotFound, LookupTimeout, LookupError}

// String returns the result's word as metrics have it.
func (r LookupResult) String() string {
	return [...]string{"ok", "not_found", "timeout", "error"}[r]
}

func lookupResult(err error) LookupResult {
	var dns *net.DNSError
	switch {
	case err == nil:
		return LookupOK
	case notFound(err):
		return LookupNotFound
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dns) && dns.IsTimeout:
		return LookupTimeout
	}
	return LookupError
}

func notFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}
