package l7

import (
	"io"
	"net"
	"sync/atomic"
	"syscall"

	"fourseven/l4"
)

// direct reads and writes a connection by l4.Recv and l4.Send. One goroutine
// may read while another writes.
type direct struct {
	raw     syscall.RawConn
	in, out transfer
	// readable and writable are in.read and out.write, kept so that a call
	// allocates nothing.
	readable, writable func(fd uintptr) bool

	blocked atomic.Bool  // a write waits for room
	partial atomic.Int64 // how much of it has been written
}

// transfer is the state of one call of Read or Write.
type transfer struct {
	p   []byte
	n   int
	err error
}

// directly returns the fastest reader and writer of the connection.
func directly(nc net.Conn) io.ReadWriter {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nc
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nc
	}
	d := &direct{raw: raw}
	d.readable, d.writable = d.in.read, d.writeSome
	return d
}

// Read reads what has arrived, or waits until something has.
func (d *direct) Read(p []byte) (int, error) {
	d.in = transfer{p: p}
	err := d.raw.Read(d.readable)
	d.in.p = nil // it may go back to a pool
	switch {
	case err != nil:
		return 0, err
	case d.in.n == 0 && d.in.err == nil:
		return 0, io.EOF
	}
	return d.in.n, d.in.err
}

// Write writes all of p, unless there is an error.
func (d *direct) Write(p []byte) (int, error) {
	d.out = transfer{p: p}
	err := d.raw.Write(d.writable)
	d.out.p = nil
	if d.blocked.Load() {
		d.blocked.Store(false)
	}
	if err == nil {
		err = d.out.err
	}
	return d.out.n, err
}

// read reports whether it is done. Otherwise it is called again when there is
// something to read.
func (t *transfer) read(fd uintptr) bool {
	t.n, t.err = l4.Recv(fd, t.p)
	return t.err != syscall.EAGAIN
}

// writeSome reports whether the write is done. Otherwise it is called again when there is
// room.
func (d *direct) writeSome(fd uintptr) bool {
	done := d.out.write(fd)
	if !done {
		d.partial.Store(int64(d.out.n))
		d.blocked.Store(true)
	}
	return done
}

// unsent reports whether a write waits for room in the socket, and how much of it has been
// written. Any goroutine may call it.
func (d *direct) unsent() (written int64, blocked bool) {
	if !d.blocked.Load() {
		return 0, false
	}
	return d.partial.Load(), true
}

// write reports whether it is done. Otherwise it is called again when there is room.
func (t *transfer) write(fd uintptr) bool {
	for t.n < len(t.p) && t.err == nil {
		var n int
		if n, t.err = l4.Send(fd, t.p[t.n:]); t.err == syscall.EAGAIN {
			t.err = nil
			return false
		}
		t.n += n
	}
	return true
}
