//go:build !linux

package l7

import (
	"errors"

	"fourseven/l7/http1"
)

var errStale = errors.New("stale connection")

// ask is Linux's alone: elsewhere a request is sent and then read for.
type ask struct{}

func (*backendConn) canAsk() bool                   { return false }
func (*ask) send(*backendConn, *http1.Writer) error { return errStale }
