package main

import "sync/atomic"

// gate opens when as many have passed as it was made for.
type gate struct {
	missing *atomic.Int64
	open    chan struct{} // closed when it opens
}

func newGate(n int) gate {
	g := gate{missing: new(atomic.Int64), open: make(chan struct{})}
	g.missing.Store(int64(n))
	return g
}

// pass counts one.
func (g gate) pass() {
	if g.missing.Add(-1) == 0 {
		close(g.open)
	}
}
