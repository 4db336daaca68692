package instance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"

	"fourseven/internal/admin"
	"fourseven/internal/config"
	"fourseven/l4"
	"fourseven/l7"
)

// Addrs are the addresses that an instance listens on: those of its first service, and
// that of the admin pages. They are nil where a listener is off.
type Addrs struct{ L4, L7, Admin net.Addr }

func (in *Instance) addrs() Addrs {
	first := in.services[0]
	return Addrs{L4: first.addr("l4"), L7: first.addr("l7"), Admin: addrOf(in.adminListener)}
}

func addrOf(ln net.Listener) net.Addr {
	if ln == nil {
		return nil
	}
	return ln.Addr()
}

// listeners returns those that are open.
func (in *Instance) listeners() (all []net.Listener) {
	for _, f := range in.fronts {
		all = append(all, f.ln)
	}
	for _, s := range in.services {
		all = append(all, s.redirectListener)
	}
	return slices.DeleteFunc(append(all, in.adminListener), func(ln net.Listener) bool { return ln == nil })
}

// listenAll opens the listeners, until one fails.
func (in *Instance) listenAll(ctx context.Context) error {
	for _, f := range in.fronts {
		if err := in.open(ctx, &f.ln, f.Variable, f.Addr); err != nil {
			return err
		}
	}
	for _, s := range in.services {
		if err := in.open(ctx, &s.redirectListener, s.cfg.Variable("LB_L7_REDIRECT_LISTEN"), s.cfg.L7RedirectListen); err != nil {
			return err
		}
	}
	return in.open(ctx, &in.adminListener, "LB_ADMIN_LISTEN", in.cfg.AdminListen)
}

// open opens the listener that a variable asks for.
func (in *Instance) open(ctx context.Context, ln *net.Listener, variable string, addr config.Address) (err error) {
	if *ln, err = in.listen(ctx, addr); err != nil {
		return fmt.Errorf("%s=%s: %w", variable, addr, err)
	}
	return nil
}

// serveAll serves on the listeners, and starts probes.
func (in *Instance) serveAll(ctx context.Context) {
	if in.adminListener != nil {
		src := in.source(ctx)
		in.wg.Go(func() { _ = src.History.Run(ctx) })
		in.admin.Handler, in.admin.ConnState = admin.Handler(src), admin.Few()
	}
	for _, ln := range in.listeners() {
		in.own.Add(ln.Addr())
	}
	for _, f := range in.fronts {
		in.serve(in.loggerOf(f), f.Frontend, f.ln, f.Serve)
	}
	for _, s := range in.services {
		in.serve(s.logger, "l7_redirect", s.redirectListener, s.redirect)
	}
	in.serve(in.logger, "admin", in.adminListener, in.admin.Serve)
	for _, s := range in.services {
		if s.checker.Probe != nil {
			in.wg.Go(func() { _ = s.checker.Run(ctx) })
		}
	}
}

// loggerOf returns a logger whose lines name the services of a listener.
func (in *Instance) loggerOf(f *front) *slog.Logger {
	if len(f.services) == 1 {
		return f.services[0].logger
	}
	return in.logger.With("services", namesOf(f.services))
}

// serve runs one frontend on its listener. Its failure ends the instance.
func (in *Instance) serve(logger *slog.Logger, name string, ln net.Listener, serve func(net.Listener) error) {
	if ln == nil {
		return
	}
	logger.Info("listening", "frontend", name, "addr", ln.Addr().String())
	in.wg.Go(func() {
		err := serve(ln)
		if in.draining.Load() || errors.Is(err, l4.ErrServerClosed) || errors.Is(err, l7.ErrServerClosed) || errors.Is(err, http.ErrServerClosed) {
			return
		}
		in.fatalc <- fmt.Errorf("serve %s: %w", name, err)
	})
}
