//go:build !linux

package l7

import "errors"

var errStale = errors.New("stale connection")

// ask is Linux's alone: elsewhere a request is sent and then read for.
type ask struct{}

func (*backendConn) canAsk() bool             { return false }
func (*ask) send(*backendConn, *writer) error { return errStale }
