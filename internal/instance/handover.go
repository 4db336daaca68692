package instance

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"fourseven/internal/config"
	"fourseven/l4"
)

// How a process with LB_REUSE_PORT=on hands over to its successor.
const (
	// handshakeTime is how long it goes on accepting at least. New connections go
	// to the successor, but handshakes that had begun before end here.
	handshakeTime = time.Second
	// lastRequestTime is how long an idle keep-alive connection may wait for the request
	// whose response makes the client connect again.
	lastRequestTime = 5 * time.Second
)

// lastRequest returns how long idle connections may wait in a drain. Without a
// successor there is nothing to wait for.
func lastRequest(cfg *config.Config) time.Duration {
	if cfg.ReusePort {
		return lastRequestTime
	}
	return 0
}

// listen returns nil for an address that is off.
func (in *Instance) listen(ctx context.Context, addr config.Address) (net.Listener, error) {
	switch {
	case addr.Off():
		return nil, nil
	case !bool(in.cfg.ReusePort):
		return l4.Listen(ctx, string(addr))
	}
	ln, err := l4.ListenShared(ctx, string(addr))
	if err != nil {
		return nil, err
	}
	if err := in.share(ln); err != nil {
		return nil, err
	}
	return ln, nil
}

// share keeps a listener that another process may listen beside. It must not be
// beside one of this process: the kernel would not mind.
func (in *Instance) share(ln *l4.Shared) error {
	addr := ln.Addr().String()
	for _, other := range in.shared {
		if other.Addr().String() == addr {
			_ = ln.Close()
			return fmt.Errorf("listen %s: this process listens there already", addr)
		}
	}
	if ln.TookOver() {
		in.logger.Info("taking over", "addr", addr)
	}
	in.shared = append(in.shared, ln)
	return nil
}

// tookOver reports whether clients come here that came to another process before.
func (in *Instance) tookOver() bool {
	return slices.ContainsFunc(in.shared, (*l4.Shared).TookOver)
}

// retreat closes the listeners of an instance that could not open all of them. Those
// that took over from another process first serve the clients that came to them, while
// new clients go to the other process again.
func (in *Instance) retreat(ctx context.Context, cause error, again <-chan os.Signal) {
	if !in.tookOver() {
		for _, ln := range in.listeners() {
			_ = ln.Close()
		}
		return
	}
	in.serveAll(ctx)
	in.shutdown(again, "err", cause)
}

// stepBack sends new clients to the other process, if there is one, and returns
// how long to go on accepting.
func (in *Instance) stepBack() time.Duration {
	for _, ln := range in.shared {
		if err := ln.StepBack(); err != nil {
			in.logger.Error("step back", "addr", ln.Addr().String(), "err", err)
		}
	}
	if in.cfg.ReusePort {
		return max(in.cfg.ShutdownDelay, handshakeTime)
	}
	return in.cfg.ShutdownDelay
}

// leave ends the admin listener, as the shutdown of the frontends ends theirs, so
// that the next successor has this process out of its way.
func (in *Instance) leave() {
	if ln, ok := in.adminListener.(*l4.Shared); ok {
		in.admin.SetKeepAlivesEnabled(false)
		ln.CloseWhenEmpty()
	}
}
