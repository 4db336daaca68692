package l4

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"time"

	"fourseven/internal/loop"
)

// servePostgres does the handshake with a PostgreSQL client, which asks for TLS or begins
// it without asking, within the limit. It returns nothing for a client that goes on in plain
// text. After an error the connection is closed.
func servePostgres(raw *loop.Conn, config *tls.Config, limit time.Duration) (*TLSConn, error) {
	end := time.Now().Add(limit)
	_ = raw.SetDeadline(end)
	begins, err := answerPostgres(raw, true)
	switch {
	case err != nil:
		dismissPostgres(raw, err)
		return nil, err
	case begins == pgPlain:
		_ = raw.SetDeadline(time.Time{})
		return nil, nil
	}
	conn, err := serveTLS(raw, config, max(time.Until(end), 1), nil)
	if err == nil && begins == pgDirectTLS && conn.State().NegotiatedProtocol != postgresProtocols[0] {
		_ = conn.Close()
		return nil, fmt.Errorf("direct TLS without the protocol %s (ALPN)", postgresProtocols[0])
	}
	return conn, err
}

// dismissPostgres closes a client's connection, and lets it read why.
func dismissPostgres(raw *loop.Conn, err error) {
	var why *pgRefusal
	if !errors.As(err, &why) || raw.CloseWrite() != nil {
		_ = raw.Reset()
		return
	}
	_ = raw.SetDeadline(time.Now().Add(farewell))
	_, _ = io.CopyN(io.Discard, onlyReader{raw}, pgMaxStartup)
	_ = raw.Close()
}

// decline answers a PostgreSQL client that asks for TLS that there is none.
func (ses *session) decline() Ending {
	_ = ses.client.SetDeadline(time.Now().Add(handshakeTimeout))
	_, err := answerPostgres(ses.client, false)
	_ = ses.client.SetDeadline(time.Time{})
	switch {
	case err == nil:
		return ""
	case ses.server.dials.Err() != nil:
		return Drain
	case err == io.EOF:
		return EOF
	}
	return ClientReset // it has ended or broken in its first message, or not sent any in time
}
