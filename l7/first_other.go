//go:build !linux

package l7

import "fourseven/l7/http1"

// first waits for the first bytes of a request.
type first struct{ rd *http1.Reader }

func (f *first) init(rd *http1.Reader, _ *socket) { f.rd = rd }

func (f *first) await() error {
	f.rd.Shrink() // an idle connection keeps no bulk buffer
	return f.rd.Fill(http1.SmallBuffer)
}
