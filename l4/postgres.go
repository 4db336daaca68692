package l4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// What a PostgreSQL client may send first, apart from TLS: a length, which counts itself,
// and one of these codes ("Message Formats" in PostgreSQL's documentation).
const (
	pgCancelRequest = 1234<<16 | 5678 // ends a query of another connection
	pgSSLRequest    = 1234<<16 | 5679 // asks for TLS: the answer is one byte, S or N
	pgGSSRequest    = 1234<<16 | 5680 // asks for encryption by GSSAPI: G or N
)

// postgresProtocols is what is agreed on by ALPN. Direct TLS, without an SSLRequest,
// demands it.
var postgresProtocols = []string{"postgresql"}

var errPostgresRefuses = errors.New("the PostgreSQL server does not offer TLS: it answered N")

// askPostgres asks a PostgreSQL server for TLS. No byte is read beyond the response:
// bytes that an attacker on the way adds behind it must not be taken for the server's
// (CVE-2021-23222).
func askPostgres(conn net.Conn) error {
	request := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, pgSSLRequest)
	if _, err := conn.Write(request); err != nil {
		return err
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return err
	}
	switch answer[0] {
	case 'S':
		return nil
	case 'N':
		return errPostgresRefuses
	}
	// It may be E, an error in plain text, which anybody may have written: it is not shown.
	return fmt.Errorf("expected S or N from a PostgreSQL server, got %q", answer[:])
}
