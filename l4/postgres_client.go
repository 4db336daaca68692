package l4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// pgMaxStartup bounds a client's first message, as PostgreSQL does
// (MAX_STARTUP_PACKET_LENGTH). A request to cancel has at least its fixed fields, and up
// to 256 bytes of a key from protocol 3.2 on.
const (
	pgMaxStartup = 10000
	pgMinCancel  = 16
	pgMaxCancel  = 12 + 256
)

// tlsHandshakeRecord is the first byte of a TLS handshake (RFC 8446 section 5.1). No
// message of PostgreSQL that may come first begins so: it is the length's highest byte.
const tlsHandshakeRecord = 0x16

// pgBeginning is how a PostgreSQL client goes on after it has been answered.
type pgBeginning uint8

const (
	pgTLS       pgBeginning = iota // with a TLS handshake, which it asked for
	pgDirectTLS                    // with a TLS handshake, without having asked
	pgPlain                        // in plain text, from its next message on
)

// pgStream is a client's connection.
type pgStream interface {
	io.ReadWriter
	TryRead(p []byte) (int, error) // without waiting
	Unread(p []byte)
}

// pgRefusal is the answer to a client that is refused, which it shows its user.
type pgRefusal struct{ code, text, hint string }

func (r *pgRefusal) Error() string { return r.text }

// The codes are those of PostgreSQL ("PostgreSQL Error Codes").
var (
	errPGPlain   = &pgRefusal{"28000", "the connection is not encrypted, and TLS is required", "Set sslmode=require, or better verify-full."}
	errPGEarly   = &pgRefusal{"08P01", "received unencrypted data after SSL request", "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack."}
	errPGUnknown = &pgRefusal{"0A000", "unsupported frontend protocol", ""}
)

// response returns the refusal as PostgreSQL's ErrorResponse.
func (r *pgRefusal) response() []byte {
	fields := "SFATAL\x00VFATAL\x00C" + r.code + "\x00M" + r.text + "\x00"
	if r.hint != "" {
		fields += "H" + r.hint + "\x00"
	}
	fields += "\x00"
	return append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(4+len(fields))), fields...)
}

// answerPostgres reads the first messages of a PostgreSQL client, and responds to its
// requests for encryption. With secure it is offered TLS, and refused if it does not use
// it. Requests to cancel are accepted in plain text, too: libpq before version 17 sends
// no others, and PostgreSQL accepts them. No byte is read beyond the request that is
// responded to. The error is a *pgRefusal if the client was sent the reason, io.EOF if it
// sent nothing.
func answerPostgres(conn pgStream, secure bool) (pgBeginning, error) {
	asked := map[uint32]bool{}
	for {
		var head [8]byte
		if _, err := io.ReadFull(conn, head[:1]); err != nil {
			return 0, err
		}
		if head[0] == tlsHandshakeRecord {
			conn.Unread(head[:1])
			if !secure {
				return pgPlain, nil
			}
			return pgDirectTLS, nil
		}
		if _, err := io.ReadFull(conn, head[1:]); err != nil {
			return 0, fmt.Errorf("read the first message: %w", unexpectedEnd(err))
		}
		length, code := binary.BigEndian.Uint32(head[:4]), binary.BigEndian.Uint32(head[4:])
		wantsKeys := length == 8 && (code == pgSSLRequest || code == pgGSSRequest) && !asked[code]
		asked[code] = true
		switch {
		case wantsKeys && code == pgSSLRequest && secure:
			return pgTLS, offerTLS(conn)
		case wantsKeys:
			if _, err := conn.Write([]byte{'N'}); err != nil {
				return 0, err
			}
		case !secure, code == pgCancelRequest && length >= pgMinCancel && length <= pgMaxCancel:
			conn.Unread(head[:])
			return pgPlain, nil
		case code>>16 == 3:
			return 0, refusePostgres(conn, errPGPlain, length)
		default:
			return 0, refusePostgres(conn, errPGUnknown, length)
		}
	}
}

// offerTLS responds to a client that asks for TLS. Bytes behind the request may be from
// someone else than the client of the handshake (CVE-2021-23214).
func offerTLS(conn pgStream) error {
	var early [1]byte
	if n, _ := conn.TryRead(early[:]); n > 0 {
		return refusePostgres(conn, errPGEarly, 0)
	}
	_, err := conn.Write([]byte{'S'})
	return err
}

// refusePostgres sends a client the reason for its refusal, once its message has been
// read: otherwise the connection would end with a reset, which may overtake the response.
func refusePostgres(conn pgStream, why *pgRefusal, length uint32) error {
	if length > 8 && length <= pgMaxStartup {
		if _, err := io.CopyN(io.Discard, onlyReader{conn}, int64(length)-8); err != nil {
			return errors.Join(why, unexpectedEnd(err))
		}
	}
	_, err := conn.Write(why.response())
	return errors.Join(why, err)
}

type onlyReader struct{ io.Reader }

// unexpectedEnd returns the error of a read in the middle of a message.
func unexpectedEnd(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
