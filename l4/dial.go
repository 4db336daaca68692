package l4

import (
	"context"
	"fmt"
	"net"

	"fourseven/health"
)

// dial connects to the backend whose turn it is, and after a failure at once to
// another, up to s.Retries more. The backend is to be released by the caller. If
// none answers both results are nil, and the ending says why.
func (s *Server) dial(ctx context.Context, v Visitor) (net.Conn, *health.Backend, Ending) {
	turn := s.Pool.Turn()
	for range s.Retries + 1 {
		b := turn.Next()
		if b == nil {
			break
		}
		conn, err := s.dialOne(ctx, b, v)
		if err == nil {
			return conn, b, ""
		}
		b.Release()
		s.Logger.Debug("dial", "frontend", "l4", "err", err)
	}
	if turn.Tried() {
		return nil, nil, ConnectFailed
	}
	return nil, nil, NoBackend
}

// dialOne connects to the backend and tells it who the client is, if it is to
// know. Nothing of the client's own has been sent, so another can be tried.
func (s *Server) dialOne(ctx context.Context, b *health.Backend, v Visitor) (net.Conn, error) {
	conn, err := s.Dialer.Dial(ctx, b)
	if err != nil || s.SendProxy == 0 {
		return conn, err
	}
	if err := writeProxyHeader(conn, s.SendProxy, v); err != nil {
		reset(conn)
		return nil, fmt.Errorf("write PROXY header to %s: %w", b.Addr, err)
	}
	return conn, nil
}
