//go:build !portable

package loop

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// connEvents are asked for once, edge-triggered: each is reported when it begins.
	// EPOLLOUT is added with the first write that would wait: without it the kernel does
	// not wake the loop for each change of the socket's state.
	connEvents = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLPRI | unix.EPOLLET
	// endEvents mean that no more bytes will come than have arrived, roomEvents that
	// a write would not wait.
	endEvents  = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	roomEvents = unix.EPOLLOUT | unix.EPOLLHUP | unix.EPOLLERR
)

// Conn is a stream connection of a loop, over TCP or a Unix socket. It implements
// net.Conn, io.ReaderFrom and syscall.Conn. Its methods are for the fibers of its loop,
// one fiber that reads and one that writes at a time; those that other goroutines may
// call are marked so.
//
// The first error that breaks the connection stays its error for both directions:
// writing returns it at once, reading when what arrived before has been read.
type Conn struct {
	loop      atomic.Pointer[Loop]
	deadlines atomic.Pointer[deadlines] // nil until one is set
	read      atomic.Int64
	written   atomic.Int64
	closed    atomic.Bool // by Close; the descriptor is closed by the loop, a little later

	// The rest belongs to the loop.
	fd, slot     int32
	ends         uint16 // of endEvents, those that have been reported
	registered   bool   // with epoll
	roomAsked    bool   // and EPOLLOUT with it
	unix         bool
	readable     bool // not known to be empty
	writable     bool // not known to be full
	exact        bool // a short read does not mean that the socket is empty
	urgent       bool // urgent data has come
	eof          bool // the end of the stream has been read
	shutdown     bool // the end of our stream has been sent
	nagle        nagle
	held         bool  // the kernel holds the last bytes back for the end of the stream
	unspliceable bool  // splice(2) does not take this kind of socket
	quiet        int8  // looks of sweep in a row that saw no byte
	copies       int32 // its place in Loop.copying and one; 0 if it is not there
	broken       syscall.Errno
	seen         int64  // read when sweep last looked
	bulkTold     int64  // what read has to reach for the next OnBulk
	reader       *fiber // waits for bytes
	writer       *fiber // waits for room
	notify       func() // to be started as a fiber when there are bytes
	sink         *Conn  // where the loop moves small messages
	source       *Conn  // whose sink this is
	rest         []byte // read from the socket, and not by a caller yet
	remote       netip.AddrPort
	path         *string // of the peer's Unix socket; nil without
}

// nagle is whether TCP_NODELAY has still to be set.
type nagle uint8

const (
	nagleOff   nagle = iota // it is set, or the socket has none
	nagleFirst              // nothing has been written
	nagleNext               // the next write needs it
)

var _ interface {
	net.Conn
	io.ReaderFrom
	syscall.Conn
} = (*Conn)(nil)

// newConn makes a connection of a descriptor, for a loop that will attach it.
func newConn(l *Loop, fd int, isUnix bool) *Conn {
	c := &Conn{fd: int32(fd), slot: noSlot, writable: true, unix: isUnix, exact: isUnix}
	c.loop.Store(l)
	return c
}

// attach adds the connection to its loop, which has already counted it. If the group is
// closing, the connection is closed.
func (c *Conn) attach() {
	l := c.Loop()
	l.conns.add(c)
	if l.closing || c.closed.Load() {
		c.shut(false)
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
	if c.broken == 0 {
		return nil
	}
	return c.broken
}

// noteError asks the kernel for the error that broke the connection. The kernel reports
// it once: to the first caller.
func (c *Conn) noteError() {
	code, err := unix.GetsockoptInt(int(c.fd), unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		c.fail(syscall.Errno(code))
	}
}

// fail keeps the first error that broke the connection. The kernel returns EPIPE for a
// reset that comes after the peer's end of stream.
func (c *Conn) fail(errno syscall.Errno) {
	if errno == syscall.EPIPE {
		errno = syscall.ECONNRESET
	}
	if c.broken == 0 {
		c.broken = errno
	}
}

// MoveTo gives the connection to another loop, which starts fn as a fiber for it.
// No fiber may be waiting for it, OnReadable is forgotten. From the call on it
// belongs to the other loop. It reports whether fn will be started; if not, the
// connection is closed.
func (c *Conn) MoveTo(l *Loop, fn func()) bool {
	from := c.Loop()
	c.ignore()
	if l == from || c.fd < 0 {
		return l.queue.post(op{kind: opGo, conn: c, fn: fn})
	}
	if c.registered {
		_ = from.control(unix.EPOLL_CTL_DEL, c.fd, &unix.EpollEvent{})
	}
	c.leave()
	c.registered, c.roomAsked, c.readable, c.writable = false, false, false, true
	l.load.conns.Add(1)
	c.loop.Store(l)
	if !l.queue.post(op{kind: opAttach, conn: c, fn: fn}) {
		c.closed.Store(true)
		closeSocket(c.fd, false)
		c.fd = -1
		return false
	}
	return true
}

// leave takes the connection out of its loop.
func (c *Conn) leave() {
	l := c.Loop()
	l.conns.remove(c)
	c.slot = noSlot
	l.stopCopying(c)
	c.disarm()
	l.load.conns.Add(-1)
}

// Close closes the connection. What waits in it returns an error for which
// errors.Is(err, net.ErrClosed) holds. What was written is still delivered, unless
// there is something left to read: the kernel then sends a reset. Any goroutine
// may call it.
func (c *Conn) Close() error { return c.close(opClose) }

// Reset closes the connection with a reset, which discards what has not been
// delivered yet: see Flush. Any goroutine may call it.
func (c *Conn) Reset() error { return c.close(opReset) }

func (c *Conn) close(kind opKind) error {
	if !c.closed.CompareAndSwap(false, true) {
		return c.opError("close", net.ErrClosed)
	}
	c.Loop().queue.post(op{kind: kind, conn: c})
	return nil
}

// shut closes the descriptor, in the loop.
func (c *Conn) shut(reset bool) {
	c.closed.Store(true)
	if c.slot == noSlot { // closed already, or attach will do it
		return
	}
	c.leave()
	closeSocket(c.fd, reset)
	c.fd, c.rest = -1, nil
	l := c.Loop()
	l.wake(c.writer)
	l.wake(c.reader)
	if src := c.source; src != nil {
		c.source, src.sink = nil, nil
		l.wake(src.reader)
		if src.notify != nil {
			src.fire()
		}
	}
	if c.notify != nil {
		c.fire()
	}
	c.unlink()
}

// CloseWrite sends the end of the stream; reading goes on.
func (c *Conn) CloseWrite() error {
	if c.closed.Load() {
		return c.opError("close", net.ErrClosed)
	}
	c.shutdown = true
	if errno := shutdownWrite(c.fd); errno != 0 {
		return c.opError("close", os.NewSyscallError("shutdown", errno))
	}
	return nil
}
