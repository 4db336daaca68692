package l7

import (
	"errors"
	"io"
	"syscall"

	"fourseven/l4"
	"fourseven/l7/http1"
)

// errStale is a kept connection that the backend has closed, or on which it has
// sent what nobody asked for. Nothing was sent on it.
var errStale = errors.New("stale connection")

// ask is the sending of a request over a kept connection, joined with the first
// read of its answer. Before Go waits for bytes it tries to read; here the request
// is sent between the two, so that the look at the connection before its reuse,
// which must find nothing, costs no system call of its own.
type ask struct {
	bc      *backendConn
	request *http1.Writer // nil once sent
	err     error
	// read is a.step, kept so that a request allocates nothing.
	read func(fd uintptr) bool
}

// canAsk reports whether the connection lets itself be asked.
func (bc *backendConn) canAsk() bool { return bc.reused && bc.sock.raw != nil }

// send sends the request and waits for the first bytes of the answer, which it
// leaves in the connection's reader.
func (a *ask) send(bc *backendConn, request *http1.Writer) error {
	if a.read == nil {
		a.bc, a.read = bc, a.step
	}
	if err := bc.rd.MakeRoom(http1.SmallBuffer); err != nil {
		return err
	}
	a.request, a.err = request, nil
	if err := bc.sock.raw.Read(a.read); err != nil {
		return err
	}
	return a.err
}

// step reads, and reports whether that is all: it is called again when there is
// something to read.
func (a *ask) step(fd uintptr) bool {
	rd := &a.bc.rd
	n, err := l4.Recv(fd, rd.Free())
	waits := err == syscall.EAGAIN
	switch {
	case waits && a.request != nil:
		// A backend may have answered before it closed: its answer is read even if
		// the request does not get through.
		_ = a.request.Send(a.request.Buf)
		a.request = nil
	case waits:
	case a.request != nil:
		a.err = errStale
	case err != nil:
		a.err = err
	case n == 0:
		a.err = io.EOF
	default:
		rd.Took(n)
	}
	return !waits
}
