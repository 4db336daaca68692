package l4

import (
	"fmt"
	"net"
	"time"

	"fourseven/health"
)

// dial connects the session to the next backend and, after a failed dial, at once
// to another one, up to Retries more. If all fail, it returns nil and why.
func (ses *session) dial() (net.Conn, Ending) {
	s := ses.server
	turn := s.Pool.TurnFor(ses.visitor.Client.Addr())
	for try := range s.Retries + 1 {
		b := turn.Next()
		if b == nil {
			break
		}
		if try > 0 {
			ses.retries++
			s.retries.Add(1)
		}
		conn, err := s.dialOne(b, ses.visitor)
		if err == nil {
			b.Count()
			ses.backend, ses.dialled = b, time.Now()
			return conn, ""
		}
		b.Release()
		if s.dials.Err() != nil {
			return nil, Drain
		}
		s.Logger.Debug("dial", "frontend", "l4", "err", err)
	}
	if turn.Tried() {
		return nil, ConnectFailed
	}
	return nil, NoBackend
}

// dialOne connects to the backend and sends the PROXY header, if there is to be
// one. After a failure another backend can be tried, since no byte of the client's
// has been sent.
func (s *Server) dialOne(b *health.Backend, v Visitor) (net.Conn, error) {
	conn, err := s.Dialer.Dial(s.dials, b)
	if err != nil {
		return nil, err
	}
	if s.Relays.CutOnDown && b.Down() {
		Reset(conn)
		return nil, fmt.Errorf("dial %s: the backend went down", b.Addr)
	}
	if s.SendProxy == 0 {
		return conn, nil
	}
	if err := writeProxyHeader(conn, s.SendProxy, v); err != nil {
		Reset(conn)
		b.Suspect() // it broke before it said anything
		return nil, fmt.Errorf("write PROXY header to %s: %w", b.Addr, err)
	}
	return conn, nil
}
