package l4

import (
	"context"
	"net"

	"fourseven/health"
)

// dial connects to the backend whose turn it is, and after a failure at once to
// another, up to s.Retries more. The backend is to be released by the caller. If
// none answers both results are nil, and the ending says why.
func (s *Server) dial(ctx context.Context) (net.Conn, *health.Backend, Ending) {
	turn := s.Pool.Turn()
	for range s.Retries + 1 {
		b := turn.Next()
		if b == nil {
			break
		}
		conn, err := s.Dialer.Dial(ctx, b)
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
