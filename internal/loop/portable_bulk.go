//go:build !linux || portable

package loop

// Bulk has nothing here: all bytes are copied.
type Bulk struct{}

// TakeBulk reports false.
func (c *Conn) TakeBulk(*Conn, int) (Bulk, bool) { return Bulk{}, false }

// Len returns 0.
func (Bulk) Len() int { return 0 }

// Send sends nothing.
func (Bulk) Send([]byte, int) (int, error) { return 0, nil }

// Read reads nothing.
func (Bulk) Read([]byte) (int, error) { return 0, nil }

// Release does nothing.
func (Bulk) Release() {}
