package l4

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"fourseven/health"
	"fourseven/internal/loop"
	"fourseven/internal/tlsconf"
)

// BackendTLS is how TLS is spoken to the backends of a pool. Its fields are set before use
// and do not change; it is safe for concurrent use.
type BackendTLS struct {
	// Client has the certificates.
	Client *tlsconf.Client
	// On is whether TLS is spoken to all backends, and not only to those whose Spec
	// demands it.
	On bool
	// Postgres asks each backend for TLS by PostgreSQL's SSLRequest.
	Postgres bool
	// Name is the name that each certificate must have. If empty, it is that of the
	// backend.
	Name string
	// Logger takes a warning about failed handshakes, once a second at most. If nil,
	// nothing is logged.
	Logger *slog.Logger

	logged health.Throttle
}

// To reports whether TLS is spoken to the backend. It is not if t is nil.
func (t *BackendTLS) To(b *health.Backend) bool {
	return t != nil && (t.On || b.Spec().TLS == health.TLSOn)
}

// Ask asks a backend that has accepted a connection for TLS, where its protocol demands that.
func (t *BackendTLS) Ask(conn net.Conn) error {
	if t.Postgres {
		return askPostgres(conn)
	}
	return nil
}

// Config returns the settings of a handshake with the backend, which is asked for one of
// the protocols (ALPN), if there are any.
func (t *BackendTLS) Config(b *health.Backend, protocols ...string) *tls.Config {
	if t.Postgres {
		protocols = postgresProtocols
	}
	return t.Client.Config(b.Addr, cmp.Or(t.Name, b.Spec().ServerName()), protocols...)
}

// dial does the handshake on a new connection to the backend, which it closes if that fails.
func (t *BackendTLS) dial(ctx context.Context, raw *loop.Conn, b *health.Backend, protocols []string) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = raw.Reset() })
	defer stop()
	conn, err := t.shake(ctx, raw, b, protocols)
	switch {
	case err == nil:
		return conn, nil
	case ctx.Err() == context.Canceled:
		return nil, ctx.Err()
	case ctx.Err() != nil: // it ended the handshake
		err = health.HandshakeFailed(ctx.Err())
	}
	t.log(b, err)
	return nil, err
}

func (t *BackendTLS) shake(ctx context.Context, raw *loop.Conn, b *health.Backend, protocols []string) (*TLSConn, error) {
	if limit := timeLeft(ctx); limit > 0 {
		_ = raw.SetDeadline(time.Now().Add(limit))
	}
	if err := t.Ask(raw); err != nil {
		_ = raw.Reset()
		return nil, health.HandshakeFailed(err)
	}
	return DialTLS(raw, t.Config(b, protocols...), timeLeft(ctx))
}

func (t *BackendTLS) log(b *health.Backend, err error) {
	if t.Logger == nil {
		return
	}
	if held, ok := t.logged.Pass("handshake"); ok {
		t.Logger.Warn("TLS handshake with backend failed", "backend", b.Addr, "err", err, "hint", health.Hint(err), "held_back", held)
	}
}
