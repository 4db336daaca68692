package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"fourseven/health"
	"fourseven/l4"
)

// How a process with LB_REUSE_PORT=on gives way to its successor.
const (
	// handshakeTime is how long it goes on accepting at least. New connections go
	// to the successor, but handshakes that had begun before end here.
	handshakeTime = time.Second
	// lastRequestTime is how long an idle keep-alive connection may wait for the
	// request whose answer tells the client to connect again.
	lastRequestTime = 5 * time.Second
)

func (c *config) reusePort() bool { return c.ReusePort == "on" }

// lastRequest returns how long idle connections may wait in a drain. Without a
// successor there is nothing to wait for.
func (c *config) lastRequest() time.Duration {
	if c.reusePort() {
		return lastRequestTime
	}
	return 0
}

// handoverConflicts returns the listeners that LB_REUSE_PORT=on cannot be had for.
func (c *config) handoverConflicts() (errs []error) {
	if !c.reusePort() {
		return nil
	}
	for _, s := range settings() {
		addr, ok := s.value(c).Interface().(address)
		if network, _ := health.SplitAddr(string(addr)); ok && network == "unix" {
			errs = append(errs, fmt.Errorf("%s=%q: LB_REUSE_PORT=on shares TCP addresses alone, expected host:port", s.name, addr))
		}
	}
	return errs
}

// listen returns nil for an address that is off.
func (in *instance) listen(ctx context.Context, addr address) (net.Listener, error) {
	switch {
	case addr.off():
		return nil, nil
	case !in.cfg.reusePort():
		return l4.Listen(ctx, string(addr))
	}
	ln, err := l4.ListenShared(ctx, string(addr))
	if err != nil {
		return nil, err
	}
	return ln, in.share(ln)
}

// share keeps a listener that another process may listen beside. It must not be
// beside one of this process: the kernel would not mind.
func (in *instance) share(ln *l4.Shared) error {
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
func (in *instance) tookOver() bool {
	return slices.ContainsFunc(in.shared, (*l4.Shared).TookOver)
}

// giveBack ends what took over when a further listener cannot be opened: the clients
// that came are served, and new ones go to the other process again.
func (in *instance) giveBack(err error, again <-chan os.Signal) {
	if in.tookOver() {
		in.shutdown(again, "err", err)
	}
}

// stepBack sends new clients to the other process, if there is one, and returns
// how long to go on accepting.
func (in *instance) stepBack() time.Duration {
	for _, ln := range in.shared {
		if err := ln.StepBack(); err != nil {
			in.logger.Error("step back", "addr", ln.Addr().String(), "err", err)
		}
	}
	if in.cfg.reusePort() {
		return max(in.cfg.ShutdownDelay, handshakeTime)
	}
	return in.cfg.ShutdownDelay
}

// leave ends the admin listener, as the shutdown of the frontends ends theirs, so
// that the next successor has this process out of its way.
func (in *instance) leave() {
	if ln, ok := in.adminListener.(*l4.Shared); ok {
		in.admin.SetKeepAlivesEnabled(false)
		ln.CloseWhenEmpty()
	}
}
