package l4

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"fourseven/health"
	"fourseven/internal/loop"
)

// farewell is how long a peer may take to close the connection after a failed handshake:
// closing it with bytes unread would reset it, and the peer would lose the alert.
const farewell = time.Second

// errNoTLS is why a handshake fails with a peer that does not speak TLS.
var errNoTLS = errors.New("the client does not speak TLS")

// ServeTLS does the server's handshake on a new connection, within the limit. It waits,
// in the only fiber that uses the connection. After an error, which has the peer's alert
// if there was one, the connection is closed.
func ServeTLS(raw *loop.Conn, config *tls.Config, limit time.Duration) (*TLSConn, error) {
	return serveTLS(raw, config, limit, nil)
}

// serveTLS is ServeTLS with a response to clients that speak plain HTTP.
func serveTLS(raw *loop.Conn, config *tls.Config, limit time.Duration, plain []byte) (*TLSConn, error) {
	c := newTLSConn(raw)
	c.tls = tls.Server(&c.wire, config)
	err := c.shake(limit)
	if err != nil {
		c.part(err, plain)
		return nil, handshakeError(err, limit)
	}
	return c, nil
}

// DialTLS does the client's handshake, as ServeTLS does the server's, but does not wait
// until the peer has read why it failed. The error is a *health.HandshakeError.
func DialTLS(raw *loop.Conn, config *tls.Config, limit time.Duration) (*TLSConn, error) {
	c := newTLSConn(raw)
	c.tls = tls.Client(&c.wire, config)
	err := c.shake(limit)
	if err != nil {
		if !raw.Go(func() { c.part(err, nil) }) {
			_ = raw.Reset()
		}
		return nil, health.HandshakeFailed(err)
	}
	return c, nil
}

func newTLSConn(raw *loop.Conn) *TLSConn {
	return &TLSConn{raw: raw, wire: wire{raw: raw, handshake: true}}
}

// shake does the handshake. Zero is no limit.
func (c *TLSConn) shake(limit time.Duration) error {
	if limit > 0 {
		_ = c.raw.SetDeadline(time.Now().Add(limit))
	}
	err := c.tls.Handshake()
	if sent := c.wire.drain(); err == nil {
		err = sent
	}
	if err != nil {
		return err
	}
	_ = c.raw.SetDeadline(time.Time{})
	c.wire.handshake = false
	c.whole = len(c.wire.in) > 0
	return nil
}

// part ends a connection whose handshake failed: in a way that lets the peer read the
// alert, or the response to plain HTTP; with a reset if there is neither.
func (c *TLSConn) part(err error, plain []byte) {
	c.closed.Store(true)
	_ = c.raw.SetDeadline(time.Now().Add(farewell))
	var noTLS tls.RecordHeaderError
	if errors.As(err, &noTLS) {
		if len(plain) == 0 || !isHTTP(noTLS.RecordHeader) {
			_ = c.raw.Reset()
			return
		}
		_, _ = c.raw.Write(plain)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || c.raw.Err() != nil || c.raw.CloseWrite() != nil {
		_ = c.raw.Reset()
		return
	}
	var buf [512]byte
	for err = nil; err == nil; {
		_, err = c.raw.Read(buf[:])
	}
	_ = c.raw.Close()
}

// isHTTP reports whether five bytes are those of a plain request.
func isHTTP(begin [5]byte) bool {
	switch string(begin[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "DELET", "PATCH", "OPTIO":
		return true
	}
	return false
}

// handshakeError explains in plain words why a handshake failed.
func handshakeError(err error, limit time.Duration) error {
	var noTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &noTLS) && isHTTP(noTLS.RecordHeader):
		return fmt.Errorf("%w, but HTTP: %w", errNoTLS, noTLS)
	case errors.As(err, &noTLS):
		return fmt.Errorf("%w: %w", errNoTLS, noTLS)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("TLS handshake not complete within %s: %w", limit, err)
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the connection ended in the TLS handshake: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("TLS handshake: %w", err)
}
