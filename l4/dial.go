package l4

import (
	"fmt"
	"time"

	"fourseven/health"
	"fourseven/internal/loop"
)

// dial connects the session to the next backend and, after a failed dial, at once
// to another one, up to Retries more. If all fail, it returns why.
func (ses *session) dial() Ending {
	s := ses.server
	turn := s.Pool.TurnFor(ses.visitor.Client.Addr())
	for try := range s.Retries + 1 {
		b := turn.Next()
		if b == nil {
			break
		}
		b.HoldConn()
		if try > 0 {
			ses.retries++
			s.retries.Add(1)
		}
		conn, err := ses.dialOne(b)
		if err == nil {
			b.CountConn()
			ses.dialTook = time.Since(ses.began)
			ses.relay.init(ses.relay.client.Conn, conn, b)
			return ""
		}
		if s.dials.Err() != nil {
			return Drain
		}
		s.Logger.Debug("dial", "frontend", "l4", "err", err)
	}
	if turn.Tried() {
		return ConnectFailed
	}
	return NoBackend
}

// dialOne connects to the backend and sends the PROXY header, if there is to be
// one. After a failure, which gives the backend back, another one can be tried, since
// no byte of the client's has been sent.
func (ses *session) dialOne(b *health.Backend) (dialled Conn, err error) {
	defer func() {
		if dialled == nil { // also after a panic
			b.ReleaseConn()
		}
	}()
	s := ses.server
	conn, err := s.Dialer.DialIn(s.dials, ses.client.Loop(), b, ses.hello())
	if err != nil {
		return nil, err
	}
	if s.Relays.CutOnDown && b.Down() {
		_ = conn.Reset()
		return nil, fmt.Errorf("dial %s: the backend went down", b.Addr)
	}
	return conn, nil
}

// hello returns what the connection to a backend begins with. What is spoken over it was
// agreed on with the client.
func (ses *session) hello() (h Hello) {
	if ses.server.SendProxy != 0 {
		h.Header = func(conn *loop.Conn) error { return ses.writeProxyHeader(conn) }
	}
	if ses.secured != nil && ses.secured.Protocol != "" {
		h.Protocols = []string{ses.secured.Protocol}
	}
	return h
}
