package l4

import (
	"cmp"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"fourseven/health"
	"fourseven/internal/loop"
)

// handshakeTimeout is how long a client's TLS handshake may take.
const handshakeTimeout = 10 * time.Second

// Handshake is how a TLS handshake with a client ended.
type Handshake string

// The results of a handshake.
const (
	HandshakeFull    Handshake = "full"
	HandshakeResumed Handshake = "resumed" // of an earlier session
	HandshakeFailed  Handshake = "failed"
)

// Handshakes are all results.
var Handshakes = [...]Handshake{HandshakeFull, HandshakeResumed, HandshakeFailed}

// TLSServer ends the TLS of one frontend's clients. Its fields are set before use and do
// not change afterwards; it is safe for concurrent use.
type TLSServer struct {
	Config *tls.Config
	// Frontend names the frontend in the log.
	Frontend string
	// Postgres is whether the clients are PostgreSQL's, which ask for TLS first. Those that
	// do not are refused.
	Postgres bool
	// Timeout bounds a handshake. If zero, it is ten seconds.
	Timeout time.Duration
	// Logger takes a line about failed handshakes, once a second at most. If nil, nothing
	// is logged.
	Logger *slog.Logger
	// Shaken is called with the result of each handshake, in an event loop: it must not
	// block. It may be nil.
	Shaken func(Handshake)

	logged health.Throttle
}

// Serve does the handshake on a new connection, whose client has that address. It waits, in
// the only fiber that uses the connection. An ending that is not empty is why there is no
// connection, and the one before is closed: TLSHandshake, or EOF if the client has ended
// it without a byte, as probes of the port do. Without a connection and an ending, the
// client goes on in plain text, as only those of PostgreSQL may that cancel a query. Clients
// that speak HTTP instead get the response plain, or a reset if it is nil.
func (s *TLSServer) Serve(raw *loop.Conn, client netip.AddrPort, plain []byte) (*TLSConn, Ending) {
	before := raw.BytesRead()
	conn, err := s.shake(raw, cmp.Or(s.Timeout, handshakeTimeout), plain)
	if ended := errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF; ended && raw.BytesRead() == before {
		return nil, EOF
	}
	if err != nil {
		s.report(HandshakeFailed)
		s.log(client, err)
		return nil, TLSHandshake
	}
	if conn == nil {
		return nil, ""
	}
	if conn.State().DidResume {
		s.report(HandshakeResumed)
	} else {
		s.report(HandshakeFull)
	}
	return conn, ""
}

func (s *TLSServer) shake(raw *loop.Conn, limit time.Duration, plain []byte) (*TLSConn, error) {
	if s.Postgres {
		return servePostgres(raw, s.Config, limit)
	}
	return serveTLS(raw, s.Config, limit, plain)
}

func (s *TLSServer) report(h Handshake) {
	if s.Shaken != nil {
		s.Shaken(h)
	}
}

func (s *TLSServer) log(client netip.AddrPort, err error) {
	if s.Logger == nil {
		return
	}
	if held, ok := s.logged.Pass("handshake"); ok {
		s.Logger.Info("TLS handshake failed", "frontend", s.Frontend, "client", client, "err", clip(err.Error()), "held_back", held)
	}
}

// clip bounds a text that may quote what a client sent: its list of protocols may have
// 60 KiB.
func clip(text string) string {
	const most = 1 << 10
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// TLSInfo describes the TLS of a client. The zero value is that of one without TLS.
type TLSInfo struct {
	Version    string // 1.2 or 1.3
	ServerName string // that the client asked for; empty if that is longer than a name may be
	Protocol   string // agreed on by ALPN
	ClientName string // the common name of the client's certificate, if it was verified
	verified   bool   // there is such a certificate
}

// Info returns what was agreed on in the handshake.
func (c *TLSConn) Info() TLSInfo {
	state := c.tls.ConnectionState()
	info := TLSInfo{ServerName: state.ServerName, Protocol: state.NegotiatedProtocol, Version: "1.2"}
	if state.Version == tls.VersionTLS13 {
		info.Version = "1.3"
	}
	if len(info.ServerName) > maxName {
		info.ServerName = "" // it may have 60 KiB, and would go into logs and PROXY headers
	}
	if info.verified = len(state.VerifiedChains) > 0; info.verified {
		info.ClientName = state.PeerCertificates[0].Subject.CommonName
	}
	return info
}
