package l7

import (
	"errors"
	"io"
	"syscall"

	"fourseven/l4"
	"fourseven/l7/http1"
)

// errStale is returned for an idle connection that the backend has closed, or on which
// it has sent bytes unasked. Nothing was sent over it.
var errStale = errors.New("stale connection")

// ask sends a request over a reused connection and does the first read of the response
// in one. Before Go waits for bytes it tries to read; ask sends the request between the
// two. So that first read also checks that the idle connection is open and empty, and
// no system call is needed for the check.
type ask struct {
	bc      *backendConn
	request *http1.Writer // nil once sent
	err     error
	// read is a.step, kept so that a request allocates nothing.
	read func(fd uintptr) bool
}

// canAsk reports whether ask can be used on the connection.
func (bc *backendConn) canAsk() bool { return bc.reused && bc.sock.raw != nil }

// send sends the request and waits for the first bytes of the response, which it
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

// step reads, and reports whether it is done. Otherwise it is called again when there
// is something to read.
func (a *ask) step(fd uintptr) bool {
	rd := &a.bc.rd
	n, err := l4.Recv(fd, rd.Free())
	waits := err == syscall.EAGAIN
	switch {
	case waits && a.request != nil:
		// A backend may have responded before it closed: its response is read even if
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
