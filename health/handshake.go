package health

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
)

// HandshakeError is why no TLS connection to a backend came about, although it accepted a
// connection. A dial that fails so has the reason TLSHandshake.
type HandshakeError struct {
	Err  error
	Hint string // what remedies it; empty if nothing is known to
}

func (e *HandshakeError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

// HandshakeFailed returns the error of a handshake in plain words, with what remedies it.
func HandshakeFailed(err error) *HandshakeError {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var plain tls.RecordHeaderError
	switch {
	case errors.As(err, &authority):
		return &HandshakeError{authority, "LB_BACKEND_TLS_CA is for the authority that the backend's certificate is from"}
	case errors.As(err, &name):
		return &HandshakeError{name, "LB_BACKEND_TLS_NAME is for the name that the backend's certificate has"}
	case errors.As(err, &plain):
		return &HandshakeError{
			fmt.Errorf("the backend does not speak TLS: it sent %q", plain.RecordHeader[:]),
			"LB_BACKEND_TLS=off if the backend does not expect TLS, LB_HEALTH_TLS=off if only its probes do not",
		}
	case isAlert(err):
		return &HandshakeError{
			fmt.Errorf("the backend refused: %w", cause(err)),
			"LB_BACKEND_TLS_CERT is for a certificate that the backend demands",
		}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &HandshakeError{errors.New("the backend closed the connection"), ""}
	}
	return &HandshakeError{cause(err), ""}
}

// Handshake is the TLS handshake that a probe begins with.
type Handshake struct {
	Config *tls.Config
	// Ask asks the backend for TLS, where its protocol demands that. It may be nil.
	Ask func(net.Conn) error
}

// Target is what a probe connects to.
type Target struct {
	Backend *Backend
	// Traffic is whether it is where the backend's traffic goes to.
	Traffic bool
	// Host is its name, or its address, without a port. It is empty for a Unix socket.
	Host string
	// Named is the name in the Host field of an http probe, if the settings have one.
	Named string
	// HTTP is whether HTTP is spoken.
	HTTP bool
}

// shake returns a connection with TLS, over which the rest of the probe goes. It closes
// conn if that fails.
func (h *Handshake) shake(ctx context.Context, conn net.Conn) (net.Conn, error) {
	var err error
	if h.Ask != nil {
		stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(longAgo) })
		err = h.Ask(conn)
		if !stop() && err == nil {
			err = ctx.Err()
		}
	}
	secured := tls.Client(conn, h.Config)
	if err == nil {
		err = secured.HandshakeContext(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, HandshakeFailed(err)
	}
	return secured, nil
}

// isAlert reports whether the backend sent a TLS alert with the reason for ending the
// handshake.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" // as crypto/tls has it
}
