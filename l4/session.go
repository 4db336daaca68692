package l4

import (
	"context"
	"log/slog"

	"fourseven/health"
)

// session is one client connection with what became of it.
type session struct {
	server  *Server
	client  stream
	visitor Visitor         // as soon as it came in
	backend *health.Backend // nil unless one was dialled
}

// refuse ends a session that has no relay.
func (ses *session) refuse(why Ending) {
	reset(ses.client)
	ses.finish(why)
}

// finish is called once, when the connections are closed.
func (ses *session) finish(why Ending) {
	s := ses.server
	if ses.backend != nil {
		ses.backend.Release()
	}
	ses.log(why)
	ses.visitor.Leave()
	s.active.Add(-1)
	s.Slots.Release()
	s.wg.Done()
}

func (ses *session) log(why Ending) {
	logger := ses.server.Logger
	if !logger.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	backend := ""
	if ses.backend != nil {
		backend = ses.backend.Addr
	}
	logger.Debug("connection ended", "frontend", "l4", "client", ses.visitor.Client, "backend", backend, "reason", why)
}
