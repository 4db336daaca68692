//go:build !portable

package loop

import "golang.org/x/sys/unix"

// Bulk is what has left the socket of one connection and is not in that of the other
// yet: bytes in a pipe, which are not copied on their way.
type Bulk struct {
	dst, src *Conn
	pipe     *pipe
}

// TakeBulk takes up to max bytes that have arrived on src, for c, without waiting. It
// reports false if nothing has, or if the bytes have to be copied; errors are left to
// Read. Release must be called, and soon: pipes are few.
func (c *Conn) TakeBulk(src *Conn, max int) (Bulk, bool) {
	if src.notify != nil {
		src.ignore()
	}
	if !src.readable || c.unspliceable || src.unspliceable || len(src.rest) > 0 || src.Loop() != c.Loop() || src.may(readSide) != nil {
		return Bulk{}, false
	}
	p := c.Loop().takePipe()
	if p == nil {
		return Bulk{}, false
	}
	b := Bulk{c, src, p}
	c.tellBulk(src)
	if n, err := c.fill(p, src, max); n == 0 || err != nil {
		b.Release()
		return Bulk{}, false
	}
	return b, true
}

// Len returns how many bytes there are.
func (b Bulk) Len() int { return b.pipe.left }

// Send sends head, then the bytes but for the last ones, as many as are to be kept. It
// waits for room. It returns how many of both the socket has taken, also if there is an
// error.
func (b Bulk) Send(head []byte, keep int) (sent int, err error) {
	if sent, err = b.dst.Write(head); err != nil {
		return sent, err
	}
	before := b.pipe.left
	err = b.dst.drainPipe(b.pipe, keep)
	sent += before - b.pipe.left
	if err != nil || b.pipe.left <= keep {
		return sent, err
	}
	p := make([]byte, b.pipe.left-keep) // the socket cannot be spliced to
	n, err := b.Read(p)
	if err == nil {
		n, err = b.dst.Write(p[:n])
	}
	return sent + n, err
}

// Read reads the bytes that are left.
func (b Bulk) Read(p []byte) (int, error) {
	n, err := unix.Read(int(b.pipe.r), p)
	if err != nil {
		return 0, b.src.opError("read", err)
	}
	b.pipe.left -= n
	return n, nil
}

// Release drops the bytes that are left.
func (b Bulk) Release() { b.dst.Loop().givePipe(b.pipe) }
