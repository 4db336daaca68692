//go:build !linux || portable

package loop

import "golang.org/x/sys/unix"

// Quiet reports whether the connection is open and there is nothing to read, not even
// the end of the stream. It asks the kernel, and does not wait.
func (c *Conn) Quiet() (quiet bool) {
	if c.closed.Load() || c.eof || c.Err() != nil || len(c.rest) > 0 {
		return false
	}
	if w := c.watcher; w != nil {
		select {
		case <-w.donec: // it has read something
			return false
		default:
		}
	}
	control(c.conn, func(fd int) {
		var one [1]byte
		_, _, err := unix.Recvfrom(fd, one[:], unix.MSG_PEEK)
		quiet = err == unix.EAGAIN
	})
	return quiet
}

// PeerLeft reports whether the peer has ended its stream, though bytes of it may still
// have to be read, and whether the connection is broken, or over in both directions. Not
// all systems report it before it is read.
func (c *Conn) PeerLeft() (ended, gone bool) {
	if c.closed.Load() || c.Err() != nil {
		return true, true
	}
	control(c.conn, func(fd int) { ended, gone = peerLeft(fd) })
	return ended || c.eof, gone
}

// TryRead reads what has arrived, without waiting. It returns 0 and no error if that is
// nothing. It takes the place of OnReadable and Forward.
func (c *Conn) TryRead(p []byte) (int, error) {
	if n, err := c.readRest(p); n > 0 || err != nil || len(p) == 0 {
		return n, err
	}
	if n, empty := c.recv(p); n > 0 || empty {
		return n, nil
	}
	return c.Read(p) // which does not wait, as there is an end or an error
}

// AwaitReadable waits until TryRead would return bytes or an error. It may also return
// for another reason.
func (c *Conn) AwaitReadable() {
	c.unwatch()
	if c.may() != nil || len(c.rest) > 0 {
		return
	}
	var one [1]byte
	n := 0
	c.Loop().wait(func() { n, _ = c.receive(one[:]) }) // an end or an error is there again for TryRead
	c.rest = append(c.rest, one[:n]...)
}

// readRest begins a read: it reads the bytes that have been put back, if there are any,
// and those that have arrived behind them.
func (c *Conn) readRest(p []byte) (int, error) {
	c.unwatch()
	if err := c.may(); err != nil || len(p) == 0 || len(c.rest) == 0 {
		return 0, err
	}
	n := copy(p, c.rest)
	c.drop(n)
	if n < len(p) { // a watcher has read one byte only
		more, _ := c.recv(p[n:])
		n += more
	}
	return n, nil
}

// recv reads the bytes that have arrived, without waiting. It reports whether there are
// none yet. An end or an error is there again for Read.
func (c *Conn) recv(p []byte) (n int, empty bool) {
	var err error
	control(c.conn, func(fd int) { n, err = unix.Read(fd, p) })
	if err != nil && err != unix.EAGAIN {
		_ = c.fail(err) // the kernel reports it once
	}
	n = max(n, 0)
	c.read.Add(int64(n))
	return n, err == unix.EAGAIN
}

// TryWrite writes as much of p as there is room for, without waiting, and returns how
// much that was, whatever the deadline. No fiber may be writing.
func (c *Conn) TryWrite(p []byte) (n int) {
	if len(p) == 0 || c.closed.Load() || c.Err() != nil {
		return 0
	}
	control(c.conn, func(fd int) { n, _ = unix.Write(fd, p) })
	n = max(n, 0)
	c.written.Add(int64(n))
	return n
}

func control(conn stream, f func(fd int)) {
	if raw, err := conn.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
}
