package l4

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"fourseven/internal/loop"
)

// Record describes one client connection that has ended.
type Record struct {
	Client         netip.AddrPort // zero for Unix sockets
	Backend        string         // empty unless one was dialled
	Reason         Ending
	Retries        int   // further backends tried after a failed dial
	Received, Sent int64 // bytes from and to the client
	TLS            TLSInfo
	Began          time.Time
	Dial, Whole    time.Duration // until the backend was dialled, until the end
}

// session is one client connection, until it is closed.
type session struct {
	server  *Server // the one that accepted it, until it is routed to another
	slots   *Slots  // that it has one of
	client  *loop.Conn
	secured *TLSInfo // once there is TLS
	visitor Visitor  // once the gate has allowed it
	relay   relay    // its client is set once there may be TLS, the rest once there is a backend
	retries int

	began    time.Time
	dialTook time.Duration // until the backend was dialled
}

// connect is the fiber of a new connection: it lets the client in, finds it a backend and
// starts their relay, which ends the session later. If it cannot, the client is reset.
func (ses *session) connect() {
	why := ConnectFailed // if it panics
	defer func() {
		if why != "" {
			ses.refuse(why)
		}
	}()
	entered := ses.enter()
	if routes := ses.server.routes; routes != nil {
		if entered == "" {
			entered = ses.route(routes)
		}
		ses.server.accepted.Add(1) // now it is known whose it is
	}
	if entered == "" && ses.relay.client.Conn == nil {
		entered = ses.secure()
	}
	if entered == "" {
		entered = ses.dial()
	}
	if why = entered; why == "" {
		ses.relay.ses = ses
		ses.server.Relays.start(&ses.relay)
	}
}

// enter asks the gate. The wait for a PROXY header ends when the server is cut.
func (ses *session) enter() (why Ending) {
	s := ses.server
	if s.Gate != nil && s.Gate.ProxyFrom.any() {
		stop := context.AfterFunc(s.dials, func() { _ = ses.client.Reset() })
		defer stop()
	}
	ses.visitor, why = s.Gate.Enter(ses.client)
	if why == ProxyHeader && s.dials.Err() != nil {
		return Drain
	}
	return why
}

// secure ends the client's TLS, if that is wanted. The wait for the handshake ends when
// the server is cut.
func (ses *session) secure() Ending {
	s := ses.server
	ses.relay.client.Conn = ses.client
	if s.TLS == nil && !s.Postgres {
		return ""
	}
	stop := context.AfterFunc(s.dials, func() { _ = ses.client.Reset() })
	defer stop()
	if s.TLS == nil {
		return ses.decline()
	}
	conn, why := s.TLS.Serve(ses.client, ses.visitor.Client, nil)
	switch {
	case why != "" && s.dials.Err() != nil:
		return Drain
	case why != "" || conn == nil:
		return why
	}
	info := conn.Info()
	ses.relay.client.Conn, ses.secured = conn, &info
	return ""
}

// refuse ends a session that has no relay.
func (ses *session) refuse(why Ending) {
	_ = ses.client.Reset()
	ses.finish(why)
}

// finish is called once, when the connections are closed.
func (ses *session) finish(why Ending) {
	s := ses.server
	backend := ses.relay.of
	if backend != nil {
		backend.ReleaseConn()
	}
	if why == BackendReset && ses.relay.sent() == 0 {
		backend.Suspect() // it broke before it sent anything
	}
	ses.report(why)
	ses.visitor.Leave()
	s.active.Add(-1)
	ses.slots.Release()
	s.open.Done()
}

func (ses *session) report(why Ending) {
	s := ses.server
	debug := s.Logger.Enabled(context.Background(), slog.LevelDebug)
	if s.Ended == nil && !debug {
		return
	}
	rec := ses.record(why)
	if s.Ended != nil {
		s.Ended(rec)
	}
	if debug {
		s.Logger.Debug("connection ended", "frontend", "l4", "client", rec.Client, "backend", rec.Backend,
			"reason", rec.Reason, "retries", rec.Retries, "received", rec.Received, "sent", rec.Sent, "duration", rec.Whole)
	}
}

func (ses *session) record(why Ending) Record {
	rec := Record{
		Client: ses.visitor.Client, Reason: why, Retries: ses.retries,
		Began: ses.began, Whole: time.Since(ses.began),
	}
	if ses.secured != nil {
		rec.TLS = *ses.secured
	}
	if backend := ses.relay.of; backend != nil {
		rec.Backend = backend.Addr
		rec.Dial = ses.dialTook
		rec.Received, rec.Sent = ses.relay.received(), ses.relay.sent()
	}
	return rec
}
