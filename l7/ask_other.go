//go:build !linux

package l7

import (
	"errors"

	"fourseven/l7/http1"
)

var errStale = errors.New("stale connection")

// ask is for Linux only. Elsewhere the request is sent and then the response read.
type ask struct{}

func (*backendConn) canAsk() bool                   { return false }
func (*ask) send(*backendConn, *http1.Writer) error { return errStale }
