//go:build !linux || portable

package loop

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// stream is what *net.TCPConn and *net.UnixConn have in common.
type stream interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// Conn is a stream connection of a loop, over TCP or a Unix socket. It implements
// net.Conn, io.ReaderFrom and syscall.Conn. Its methods are for the fibers of its loop,
// one fiber that reads and one that writes at a time; those that other goroutines may
// call are marked so.
//
// The first error that breaks the connection stays its error for both directions:
// writing returns it at once, reading when what arrived before has been read.
type Conn struct {
	loop    atomic.Pointer[Loop]
	conn    stream
	read    atomic.Int64
	written atomic.Int64
	closed  atomic.Bool
	broken  atomic.Pointer[error]
	remote  netip.AddrPort

	shutdown atomic.Bool // the end of our stream has been sent

	mu       sync.Mutex
	deadline time.Time // for reading, as set by the user
	idleAt   time.Time // an earlier one, in ReadFrom; zero is none

	// The rest belongs to the loop.
	eof     bool // the end of the stream has been read
	rest    []byte
	watcher *watcher // of OnReadable or Forward

	bulkTold int64 // what read has to reach for the next OnBulk
}

var _ interface {
	net.Conn
	io.ReaderFrom
	syscall.Conn
} = (*Conn)(nil)

// attachConn makes a connection of the loop. If the Group is closing it is closed.
func attachConn(l *Loop, conn stream) *Conn {
	c := &Conn{conn: conn}
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		ap := tcp.AddrPort()
		c.remote = netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	c.join(l)
	return c
}

func (c *Conn) join(l *Loop) {
	c.loop.Store(l)
	l.mu.Lock()
	l.conns[c] = struct{}{}
	closed := l.closed
	l.mu.Unlock()
	if closed {
		_ = c.Close()
	}
	if c.closed.Load() { // before it was there to be taken out
		c.part()
	}
}

func (c *Conn) part() {
	l := c.Loop()
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.conns[c]; ok {
		delete(l.conns, c)
		l.load.conns.Add(-1)
	}
}

// Loop returns the loop of the connection. Any goroutine may call it.
func (c *Conn) Loop() *Loop { return c.loop.Load() }

// BytesRead returns how many bytes have been read from the socket, those put back
// with Unread counted once. It grows while ReadFrom of another Conn is running.
// Any goroutine may call it.
func (c *Conn) BytesRead() int64 { return c.read.Load() }

// BytesWritten returns how many bytes the socket has taken. It grows while Write
// and ReadFrom are running. Any goroutine may call it.
func (c *Conn) BytesWritten() int64 { return c.written.Load() }

// Err returns the error that broke the connection, or nil. It may be there before
// Read returns it: bytes may have arrived before.
func (c *Conn) Err() error {
	if p := c.broken.Load(); p != nil {
		return *p
	}
	return nil
}

// fail keeps the first error that broke the connection.
func (c *Conn) fail(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		err = syscall.ECONNRESET
	}
	c.broken.CompareAndSwap(nil, &err)
	return c.Err()
}

// Read reads the bytes that have arrived, and waits only if there are none.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.readRest(p)
	if n > 0 || err != nil || len(p) == 0 {
		return n, err
	}
	c.Loop().wait(func() { n, err = c.receive(p) })
	c.eof = c.eof || err == io.EOF
	c.Loop().pay(n)
	return n, err
}

// may reports why nothing may be read any more.
func (c *Conn) may() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed.Load():
		return c.opError("read", net.ErrClosed)
	case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
		return c.opError("read", os.ErrDeadlineExceeded)
	}
	return nil
}

// receive reads from the socket, outside the loop.
func (c *Conn) receive(p []byte) (int, error) {
	n, err := c.conn.Read(p)
	c.read.Add(int64(n))
	switch {
	case n > 0 || err == nil:
		return n, nil
	case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded):
		return 0, c.opError("read", cause(err))
	case err != io.EOF:
		return 0, c.opError("read", c.fail(cause(err)))
	}
	// The kernel reports a reset once, and it may just have reported it to a write.
	// The state is read before shutdown: a connection of which both streams have ended
	// is gone too, and our end may be sent by another goroutine at this moment.
	if c.Err() == nil && gone(c.conn) && !c.shutdown.Load() {
		_ = c.fail(syscall.ECONNRESET)
	}
	if broken := c.Err(); broken != nil {
		return 0, c.opError("read", broken)
	}
	return 0, io.EOF
}

// Write writes all of p, and waits for room.
func (c *Conn) Write(p []byte) (n int, err error) {
	if broken := c.Err(); broken != nil && !c.closed.Load() {
		return 0, c.opError("write", broken)
	}
	c.Loop().wait(func() { n, err = c.send(p) })
	c.Loop().pay(n)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.EPIPE) && c.shutdown.Load():
		return n, c.opError("write", cause(err))
	}
	return n, c.opError("write", c.fail(cause(err)))
}

// send writes to the socket, outside the loop, in pieces so that the count grows.
func (c *Conn) send(p []byte) (written int, err error) {
	for len(p) > 0 && err == nil {
		var n int
		n, err = c.conn.Write(p[:min(len(p), bufferSize)])
		written, p = written+n, p[n:]
		c.written.Add(int64(n))
	}
	return written, err
}

// cause returns an error's cause, without package net's words about the connection.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// Unread puts bytes back that have been read: they are the next to be read, and the end
// of the stream, if it has been read, comes after them again. It keeps a copy. A wrapper
// with the bytes in front would switch splicing off.
func (c *Conn) Unread(p []byte) {
	c.eof = false
	if len(p) > 0 {
		c.rest = slices.Concat(p, c.rest)
	}
}

// drop takes n bytes from what has been put back.
func (c *Conn) drop(n int) {
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
}

// Close closes the connection. What waits in it returns an error for which
// errors.Is(err, net.ErrClosed) holds. What was written is still delivered, unless
// there is something left to read: the kernel then sends a reset. Any goroutine
// may call it.
func (c *Conn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return c.opError("close", net.ErrClosed)
	}
	c.part()
	return c.conn.Close()
}

// Reset closes the connection with a reset, which discards what has not been
// delivered yet: see Flush. Any goroutine may call it.
func (c *Conn) Reset() error {
	if tcp, ok := c.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	return c.Close()
}

// CloseWrite sends the end of the stream; reading goes on.
func (c *Conn) CloseWrite() error {
	c.shutdown.Store(true)
	return c.conn.CloseWrite()
}

// MoveTo gives the connection to another loop, which starts fn as a fiber for it.
// No fiber may be waiting for it, OnReadable is forgotten. From the call on it
// belongs to the other loop. It reports whether fn will be started; if not, the
// connection is closed.
func (c *Conn) MoveTo(l *Loop, fn func()) bool {
	c.unwatch()
	if l != c.Loop() && !c.closed.Load() {
		c.part()
		l.load.conns.Add(1)
		c.join(l)
	}
	if !l.spawn(c, func() bool { return true }, fn) {
		_ = c.Close()
		return false
	}
	return true
}
