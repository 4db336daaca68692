package loop

import (
	"errors"
	"io"
	"net"
)

// ErrIdle is what ReadFrom returns when no byte has come from a Conn for a
// second. Nothing is lost: the copy can be taken up again, with OnReadable or
// Forward, by a fiber that is started for it.
var ErrIdle = errors.New("loop: connection is idle")

// ErrClosed is what waiting in a Loop returns once its Group is being closed.
var ErrClosed = errors.New("loop: group closed")

// opError returns an error that names the connection that failed, and the direction.
func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: c.network(), Addr: c.RemoteAddr(), Err: err}
}

// endless turns the end of a stream into success, as ReadFrom reports it.
func endless(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
