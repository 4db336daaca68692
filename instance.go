package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"fourseven/admin"
	"fourseven/health"
	"fourseven/l4"
	"fourseven/l7"
)

// instance is one running load balancer: its parts, and the order in which they
// start and stop.
type instance struct {
	cfg    *config
	logger *slog.Logger

	pool     *health.Pool
	checker  *health.Checker
	finder   *health.Discoverer
	l4       *l4.Server
	l7       *l7.Server
	tunnels  l4.Relays // upgraded L7 connections
	gate     *l4.Gate  // who may come in, to either frontend
	slots    l4.Slots  // how many may
	admin    *http.Server
	counters *admin.Counters
	access   *accessLog    // nil for none
	dropped  func() uint64 // lines of the log
	draining atomic.Bool
	began    time.Time
	limit    int // of client connections; 0 for none

	shared        []*l4.Shared // the listeners, with LB_REUSE_PORT=on
	adminListener net.Listener

	fatalc chan error // the first failure of a listener ends the instance
	wg     sync.WaitGroup
}

func newInstance(cfg *config, log *sink) *instance {
	logger := slog.New(newHandler(log, cfg.LogFormat, cfg.LogLevel))
	announce(cfg, logger)
	pool := health.NewPool(cfg.Backends.fixed()...)
	pool.Logger, pool.Balance, pool.SlowStart = logger, cfg.Balance, cfg.SlowStart
	in := &instance{
		cfg: cfg, logger: logger, pool: pool,
		checker: &health.Checker{
			Pool: pool, Probe: cfg.probe(),
			Interval: cfg.HealthInterval, FastInterval: cfg.HealthFastInterval, Timeout: cfg.HealthTimeout,
			Rise: cfg.HealthRise, Fall: cfg.HealthFall,
		},
		finder:  &health.Discoverer{Pool: pool, Interval: cfg.DNSInterval, Logger: logger},
		tunnels: l4.Relays{IdleTimeout: cfg.L4IdleTimeout, HalfCloseTimeout: cfg.L4HalfCloseTimeout, MaxAge: cfg.L4MaxAge},
		gate: &l4.Gate{
			Allow: cfg.Allow, Deny: cfg.Deny, MaxConnsPerIP: cfg.MaxConnsPerIP, ProxyFrom: cfg.ProxyProtocolFrom,
		},
		counters: admin.NewCounters(),
		began:    time.Now(),
		limit:    maxConns(cfg, logger),
		dropped:  log.Dropped,
		fatalc:   make(chan error, 3),
	}
	in.slots = l4.NewSlots(in.limit)
	if cfg.DNSServer != "" {
		in.finder.Resolver = health.DNSServer(string(cfg.DNSServer))
	}
	if cfg.AccessLog == "on" {
		in.access = newAccessLog(log, cfg.LogFormat)
	}
	in.l4 = in.newL4()
	in.l7 = in.newL7()
	if cfg.HealthOnDown == "close" {
		in.l4.Relays.CutOnDown, in.l7.CutOnDown, in.tunnels.CutOnDown = true, true, true
		pool.OnDown = in.cutBackend
	}
	in.admin = &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		MaxHeaderBytes:    64 << 10,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	return in
}

// run serves until a signal, which it answers with a drain, or until a listener
// fails. ready, if not nil, is called with the addresses once all listen.
func (in *instance) run(ready func(addrs)) error {
	sigc := make(chan os.Signal, 2)
	signal.Notify(sigc, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(sigc)
	hupc := make(chan os.Signal, 1)
	signal.Notify(hupc, syscall.SIGHUP)
	defer signal.Stop(hupc)
	ctx, cancel := context.WithCancel(context.Background())
	defer in.wg.Wait()
	defer cancel()

	if !in.firstRound(ctx, sigc) {
		return nil
	}
	listening, err := in.start(ctx)
	if err != nil {
		in.giveBack(err, sigc)
		return err
	}
	in.wg.Go(func() { in.reloadOn(ctx, hupc) })
	in.tell(daemon.SdNotifyReady)
	if ready != nil {
		ready(listening)
	}
	select {
	case sig := <-sigc:
		in.shutdown(sigc, "signal", sig.String())
		return nil
	case err := <-in.fatalc:
		in.closeAll()
		return err
	}
}

// firstRound finds the backends and decides the first state of each. It reports
// whether no signal came meanwhile.
func (in *instance) firstRound(ctx context.Context, sigc <-chan os.Signal) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	donec := make(chan struct{})
	go func() {
		in.find(ctx)
		if in.checker.Probe == nil {
			in.pool.MarkAllUp()
		} else {
			in.checker.CheckAll(ctx)
		}
		close(donec)
	}()
	select {
	case <-donec:
		return true
	case sig := <-sigc:
		cancel()
		<-donec
		in.logger.Info("stopped before it listened", "signal", sig.String())
		return false
	}
}

// find looks the backends' names up, for no longer than a probe may take.
func (in *instance) find(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, in.cfg.HealthTimeout)
	defer cancel()
	in.finder.Replace(ctx, in.cfg.Backends)
}

// addrs are the addresses that the instance listens on; nil where it is off.
type addrs struct{ l4, l7, admin net.Addr }

// start opens all listeners, then serves on them. If one cannot be opened, it serves
// on the others only if they took over, for giveBack.
func (in *instance) start(ctx context.Context) (addrs, error) {
	lns, on, err := in.open(ctx)
	if err != nil && !in.tookOver() {
		closeListeners(lns[:])
		return addrs{}, err
	}
	in.admin.Handler, in.admin.ConnState = admin.Handler(in.source(ctx, on)), admin.Few()
	in.adminListener = lns[2]
	in.serve("l4", lns[0], in.l4.Serve)
	in.serve("l7", lns[1], in.l7.Serve)
	in.serve("admin", lns[2], in.admin.Serve)
	in.wg.Go(func() { _ = in.tunnels.Sweep(ctx) })
	in.wg.Go(func() { _ = in.finder.Run(ctx) })
	if in.checker.Probe != nil {
		in.wg.Go(func() { _ = in.checker.Run(ctx) })
	}
	return on, err
}

// open opens the listeners, up to the first that cannot be.
func (in *instance) open(ctx context.Context) (lns [3]net.Listener, on addrs, err error) {
	for i, l := range []struct {
		variable string
		addr     address
		on       *net.Addr
	}{
		{"LB_L4_LISTEN", in.cfg.L4Listen, &on.l4},
		{"LB_L7_LISTEN", in.cfg.L7Listen, &on.l7},
		{"LB_ADMIN_LISTEN", in.cfg.AdminListen, &on.admin},
	} {
		ln, err := in.listen(ctx, l.addr)
		if err != nil {
			return lns, on, fmt.Errorf("%s=%s: %w", l.variable, l.addr, err)
		}
		if lns[i] = ln; ln != nil {
			*l.on = ln.Addr()
		}
	}
	return lns, on, nil
}

func closeListeners(lns []net.Listener) {
	for _, ln := range lns {
		if ln != nil {
			_ = ln.Close()
		}
	}
}

// serve runs one frontend on its listener. Its failure ends the instance.
func (in *instance) serve(name string, ln net.Listener, serve func(net.Listener) error) {
	if ln == nil {
		return
	}
	in.logger.Info("listening", "frontend", name, "addr", ln.Addr().String())
	in.wg.Go(func() {
		err := serve(ln)
		if in.draining.Load() || errors.Is(err, l4.ErrServerClosed) || errors.Is(err, l7.ErrServerClosed) || errors.Is(err, http.ErrServerClosed) {
			return
		}
		in.fatalc <- fmt.Errorf("serve %s: %w", name, err)
	})
}
