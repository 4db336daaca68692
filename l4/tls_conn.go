package l4

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"fourseven/internal/loop"
)

// TLSConn is a connection of a loop that speaks TLS, and whose handshake is complete: see
// ServeTLS and DialTLS. Its methods are for the fibers of its loop, one fiber that reads
// and one that writes at a time, like those of the loop.Conn under it; those that other
// goroutines may call are marked so.
//
// All bytes, counts of bytes and ends are those of the plain stream. The end of the stream
// is a close_notify; one without it is an error, because anybody on the way could have cut
// the stream there. The first error stays: writing returns it at once, reading when what
// arrived before has been read.
type TLSConn struct {
	raw  *loop.Conn
	tls  *tls.Conn
	wire wire

	read, written atomic.Int64
	closed        atomic.Bool

	unread []byte // put back, or read ahead
	whole  bool   // there may be whole records that have arrived
	ended  bool   // close_notify has been read
	gone   bool   // the end of the bare stream has been read
	broken error
	watch  int  // OnReadable so far; an older one does not count
	waits  bool // there may be a function of OnReadable
}

// State returns what was agreed on in the handshake. Any goroutine may call it.
func (c *TLSConn) State() tls.ConnectionState { return c.tls.ConnectionState() }

// Read reads the bytes that have arrived, and waits only if there are none.
func (c *TLSConn) Read(p []byte) (int, error) {
	for {
		if n, err := c.TryRead(p); n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		c.raw.AwaitReadable()
	}
}

// TryRead reads what has arrived, without waiting. It returns 0 and no error if that is
// nothing. It takes the place of OnReadable.
func (c *TLSConn) TryRead(p []byte) (n int, err error) {
	c.OnReadable(nil)
	if len(c.unread) > 0 && !c.closed.Load() {
		n = copy(p, c.unread)
		if c.unread = c.unread[n:]; len(c.unread) == 0 {
			c.unread = nil
		}
		return n, nil
	}
	n, err = c.decrypt(p)
	c.read.Add(int64(n))
	return n, err
}

// decrypt reads whole records into p, from the socket if need be.
func (c *TLSConn) decrypt(p []byte) (n int, err error) {
	if c.closed.Load() {
		return 0, c.opError("read", net.ErrClosed)
	}
	switch {
	case c.ended:
		return 0, io.EOF
	case c.broken != nil:
		return 0, c.opError("read", c.broken)
	case len(p) == 0:
		return 0, nil
	}
	if c.whole {
		if n, err = c.records(p); n > 0 || err != nil {
			return n, err
		}
	}
	buf := wireBuffers.Get().(*[wireRead + recordMax]byte)
	defer wireBuffers.Put(buf)
	defer c.wire.keep()
	for n == 0 && err == nil {
		got, failed := c.wire.fill(buf[:], max(len(p), recordPayload)+1<<10)
		if got > 0 {
			c.whole = true
			n, err = c.records(p)
			continue
		}
		return 0, c.cut(failed)
	}
	return n, err
}

// records reads from the records that are there until p is full. It returns neither bytes
// nor an error if none is whole.
func (c *TLSConn) records(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = c.tls.Read(p[n:])
		n += m
	}
	c.wire.tryDrain() // a response to a request for new keys, or an alert
	switch {
	case err == errNotYet:
		c.whole = false
		return n, nil
	case err == nil, err == io.EOF && n > 0: // it comes back at the next read
		return n, nil
	case err == io.EOF:
		c.ended, c.whole = true, false
		return 0, io.EOF
	}
	if err = c.fail("read", err); n > 0 {
		return n, nil
	}
	return 0, err
}

// cut turns the end of the bare stream into an error.
func (c *TLSConn) cut(err error) error {
	if err != io.EOF {
		return err
	}
	c.gone = true
	return c.fail("read", ErrTruncated)
}

// Write encrypts and writes all of p, and waits for room.
func (c *TLSConn) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		piece := p[:min(len(p), tlsPiece)]
		if err = c.encrypt(piece); err == nil {
			err = c.wire.drain()
		}
		if err == nil {
			c.written.Add(int64(len(piece)))
			n, p = n+len(piece), p[len(piece):]
		}
	}
	return n, err
}

// encrypt puts records into the queue.
func (c *TLSConn) encrypt(p []byte) error {
	switch {
	case c.closed.Load():
		return c.opError("write", net.ErrClosed)
	case c.Err() != nil:
		return c.opError("write", c.Err())
	}
	if _, err := c.tls.Write(p); err != nil {
		return c.fail("write", err)
	}
	return nil
}

// TryWrite writes as much of p as there is room for, without waiting, and returns how much
// that was: a record at most. What does not fit of that record is sent by the next write,
// or by Flush. No fiber may be writing.
func (c *TLSConn) TryWrite(p []byte) int {
	c.wire.tryDrain()
	if len(p) == 0 || len(c.wire.out) > 0 {
		return 0
	}
	p = p[:min(len(p), recordPayload)]
	if c.encrypt(p) != nil {
		return 0
	}
	c.wire.tryDrain()
	c.written.Add(int64(len(p)))
	return len(p)
}

// Unread puts bytes back that have been read: they are the next to be read. It keeps a
// copy.
func (c *TLSConn) Unread(p []byte) {
	if len(p) > 0 {
		c.unread = slices.Concat(p, c.unread)
	}
}

// CloseWrite sends the end of the stream, and waits for room; reading goes on.
func (c *TLSConn) CloseWrite() error {
	if c.closed.Load() {
		return c.opError("close", net.ErrClosed)
	}
	err := c.tls.CloseWrite()
	if drained := c.wire.drain(); drained != nil {
		return drained
	}
	return errors.Join(err, c.raw.CloseWrite())
}

// Close closes the connection, after a close_notify if there is room for it. Any goroutine
// may call it.
func (c *TLSConn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return c.opError("close", net.ErrClosed)
	}
	closing := c.raw.Go(func() {
		_ = c.tls.CloseWrite()
		c.wire.tryDrain()
		_ = c.raw.Close()
	})
	if !closing {
		return c.raw.Close()
	}
	return nil
}

// Reset closes the connection with a reset, and without a close_notify. Any goroutine may
// call it.
func (c *TLSConn) Reset() error {
	c.closed.Store(true)
	return c.raw.Reset()
}

// Flush waits until the peer's kernel has acknowledged all that was written.
func (c *TLSConn) Flush() error {
	if err := c.wire.drain(); err != nil {
		return err
	}
	return c.raw.Flush()
}

// MoveTo gives the connection to another loop, as that of a loop.Conn.
func (c *TLSConn) MoveTo(l *loop.Loop, fn func()) bool {
	c.watch++
	c.waits = false
	return c.raw.MoveTo(l, fn)
}

// Err returns the error that broke the connection, or nil.
func (c *TLSConn) Err() error {
	if c.broken != nil {
		return c.broken
	}
	return c.raw.Err()
}

// fail keeps the first error that broke the TLS.
func (c *TLSConn) fail(op string, err error) error {
	if c.broken == nil {
		c.broken = err
	}
	return c.opError(op, err)
}

func (c *TLSConn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: c.raw.RemoteAddr(), Err: err}
}

// PeerLeft reports whether the peer has ended the bare stream, as that of a loop.Conn.
func (c *TLSConn) PeerLeft() (ended, gone bool) { return c.raw.PeerLeft() }

// Unacked returns how many bytes, encrypted ones, the peer's kernel has not acknowledged.
func (c *TLSConn) Unacked() int { return c.raw.Unacked() + len(c.wire.out) }

// BytesRead returns how many plain bytes have been received. Any goroutine may call it.
func (c *TLSConn) BytesRead() int64 { return c.read.Load() }

// BytesWritten returns how many plain bytes have been written. Any goroutine may call it.
func (c *TLSConn) BytesWritten() int64 { return c.written.Load() }

// Loop returns the loop of the connection. Any goroutine may call it.
func (c *TLSConn) Loop() *loop.Loop { return c.raw.Loop() }

// Go starts fn as a fiber of the connection's loop. Any goroutine may call it.
func (c *TLSConn) Go(fn func()) bool { return c.raw.Go(fn) }

// LocalAddr returns the own address.
func (c *TLSConn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// RemoteAddr returns the peer's address. Any goroutine may call it.
func (c *TLSConn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// RemoteAddrPort returns the address of a TCP peer. Any goroutine may call it.
func (c *TLSConn) RemoteAddrPort() netip.AddrPort { return c.raw.RemoteAddrPort() }

// SetDeadline sets both deadlines. Any goroutine may call it.
func (c *TLSConn) SetDeadline(t time.Time) error { return c.raw.SetDeadline(t) }

// SetReadDeadline sets the time from which on reading returns an error. Any goroutine may
// call it.
func (c *TLSConn) SetReadDeadline(t time.Time) error { return c.raw.SetReadDeadline(t) }

// SetWriteDeadline sets the time from which on writing returns an error. Any goroutine may
// call it.
func (c *TLSConn) SetWriteDeadline(t time.Time) error { return c.raw.SetWriteDeadline(t) }
