package l4

import (
	"log/slog"

	"fourseven/health"
	"fourseven/internal/loop"
)

// NewLoops starts the event loops that the servers of a process share. They splice bulk
// through so many pipes at most, or loop.MaxPipes if pipes is zero. Fibers that hold up
// their loop and fibers that panic are logged, each once a second at most. If the logger
// is nil, they are not.
func NewLoops(logger *slog.Logger, pipes int) (*loop.Group, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	var stalls, panics health.Throttle
	return loop.New(loop.Config{
		Pipes:  pipes,
		OnBulk: boundBuffers,
		OnStall: func(s loop.Stall) {
			if held, ok := stalls.Pass("stall"); ok {
				logger.Warn("event loop held up", "for", s.For, "held_back", held, "stack", string(s.Stack))
			}
		},
		OnPanic: func(v any, stack []byte) {
			if held, ok := panics.Pass("panic"); ok {
				logger.Error("panic while serving a connection", "panic", v, "held_back", held, "stack", string(stack))
			}
		},
	})
}

// boundBuffers bounds what the sockets of a bulk transfer hold for a reader that
// stalls.
func boundBuffers(dst, src *loop.Conn) {
	control(src, capReceiveBuffer)
	control(dst, boundSendQueue)
}

// control calls a function with the connection's descriptor, in a fiber of its loop.
func control(c *loop.Conn, do func(fd uintptr)) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(do)
	}
}
