package l7

import (
	"errors"

	"fourseven/health"
)

// errDown fails the attachment of a backend that went down since it was picked.
var errDown = errors.New("the backend went down")

// acquired is a backend that has been picked for a request, and the connection to
// it once there is one. release gives both back.
type acquired struct {
	backend *health.Backend // nil if there is none
	conn    *backendConn    // nil before attach
	use     use             // what release does with the connection
	client  *conn           // whose request it is; other fibers see the connection there
}

// use is the state in which a connection to a backend was left.
type use uint8

const (
	cutOff   use = iota // in the middle of a message: it is reset
	complete            // at the end of a response, and of no further use: it is closed
	reusable            // at the end of a response: it goes back to its pool
)

// attach makes bc the connection to the backend. The error is errDown if the backend
// went down since it was picked, with CutOnDown; release is due then, too.
func (a *acquired) attach(bc *backendConn) error {
	a.conn, a.use = bc, cutOff
	// In this order: either that the backend is down is seen here, or CutBackend
	// sees the connection.
	a.client.backend = bc
	if a.client.srv.CutOnDown && a.backend.Down() {
		return errDown
	}
	return nil
}

// hide keeps other fibers from interrupting the connection.
func (a *acquired) hide() { a.client.backend = nil }

// drop closes a connection that turned out to be closed by the backend. The backend
// stays acquired.
func (a *acquired) drop() {
	a.hide()
	a.conn.close()
	a.conn = nil
}

// release releases the connection and the backend. A second call does nothing.
func (a *acquired) release() {
	if bc := a.conn; bc != nil {
		a.hide()
		a.conn = nil
		switch a.use {
		case cutOff:
			bc.abort()
		case complete:
			bc.close()
		case reusable:
			bc.up.put(bc)
		}
	}
	if a.backend != nil {
		a.backend.Release()
		a.backend = nil
	}
}
