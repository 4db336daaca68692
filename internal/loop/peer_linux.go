//go:build !portable

package loop

import "golang.org/x/sys/unix"

// TryRead reads what has arrived, without waiting. It returns 0 and no error if that is
// nothing. It takes the place of OnReadable and Forward.
func (c *Conn) TryRead(p []byte) (int, error) {
	if c.notify != nil {
		c.ignore()
	}
	if n, err := c.readRest(p); n > 0 || err != nil || len(p) == 0 {
		return n, err
	}
	n, err := c.recv(p)
	if err == errAgain {
		return 0, nil
	}
	return n, err
}

// AwaitReadable waits until TryRead would return bytes or an error. It may also return
// for another reason.
func (c *Conn) AwaitReadable() {
	if c.may(readSide) == nil {
		c.waitReadable()
	}
}

// Quiet reports whether the connection is open and there is nothing to read, not even
// the end of the stream. It asks the kernel, and does not wait.
func (c *Conn) Quiet() bool {
	if c.closed.Load() || c.eof || c.broken != 0 || len(c.rest) > 0 {
		return false
	}
	var one [1]byte
	n, errno := peek(c.fd, one[:])
	if errno == unix.EAGAIN {
		c.readable = false
	}
	if errno != 0 && errno != unix.EAGAIN {
		c.fail(errno) // the kernel reports it once
	}
	return n == 0 && errno == unix.EAGAIN
}

// PeerLeft reports whether the peer has ended its stream, though bytes of it may still
// have to be read, and whether the connection is broken, or over in both directions.
// The first call has the loop ask for it: what came before is reported soon after.
func (c *Conn) PeerLeft() (ended, gone bool) {
	c.register()
	gone = c.closed.Load() || c.broken != 0 || c.ends&(unix.EPOLLHUP|unix.EPOLLERR) != 0
	return gone || c.eof || c.ends != 0, gone
}

// TryWrite writes as much of p as there is room for, without waiting, and returns how
// much that was, whatever the deadline. No fiber may be writing.
func (c *Conn) TryWrite(p []byte) int {
	if len(p) == 0 || c.closed.Load() {
		return 0
	}
	n, _ := c.send(p)
	return n
}
