package instance

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

	"fourseven/health"
	"fourseven/internal/admin"
	"fourseven/internal/config"
	"fourseven/internal/logging"
	"fourseven/l4"
	"fourseven/l7"
)

// Instance is one running load balancer: its parts, and the order in which they
// start and stop.
type Instance struct {
	cfg     *config.Config
	version string
	logger  *slog.Logger

	pool     *health.Pool
	checker  *health.Checker
	finder   *health.Discoverer
	l4       *l4.Server
	l7       *l7.Server
	gate     *l4.Gate  // who may come in, to either frontend
	slots    *l4.Slots // how many may
	own      l4.Own    // the listeners
	admin    *http.Server
	counters *admin.Counters
	access   *logging.AccessLog // nil for none
	dropped  func() uint64      // lines of the log
	reloads  reloads
	draining atomic.Bool
	began    time.Time
	limits   limits

	shared        []*l4.Shared // the listeners, with LB_REUSE_PORT=on
	adminListener net.Listener

	fatalc chan error // the first failure of a listener ends the instance
	wg     sync.WaitGroup
}

// New returns an instance with these settings, which logs to a sink. It listens
// nowhere yet. The version is shown in the log, on the admin page and in metrics.
func New(cfg *config.Config, version string, log *logging.Sink) *Instance {
	logger := slog.New(logging.NewHandler(log, cfg.LogFormat, cfg.LogLevel))
	announce(cfg, version, logger)
	pool := health.NewPool(cfg.Backends.Fixed()...)
	pool.Balance, pool.SlowStart = cfg.Balance, cfg.SlowStart
	in := &Instance{
		cfg: cfg, version: version, logger: logger, pool: pool,
		checker: &health.Checker{
			Pool: pool, Probe: probe(cfg, logger),
			Interval: cfg.HealthInterval, FastInterval: cfg.HealthFastInterval, Timeout: cfg.HealthTimeout,
			Rise: cfg.HealthRise, Fall: cfg.HealthFall,
		},
		finder: &health.Discoverer{
			Pool: pool, Server: string(cfg.DNSServer), Interval: cfg.DNSInterval, Own: cfg.Own, Logger: logger,
		},
		gate: &l4.Gate{
			Allow: cfg.Allow, Deny: cfg.Deny, MaxConnsPerIP: cfg.MaxConnsPerIP, ProxyFrom: l4.Peers(cfg.ProxyProtocolFrom),
		},
		counters: admin.NewCounters(),
		began:    time.Now(),
		limits:   connLimits(cfg, ownResources(logger), logger),
		dropped:  log.Dropped,
		fatalc:   make(chan error, 3),
	}
	in.slots = l4.NewSlots(in.limits.conns)
	if _, ok := cfg.BackendsFile(); ok {
		in.reloads.expect("LB_BACKENDS")
	}
	if cfg.AccessLog {
		in.access = logging.NewAccessLog(log, cfg.LogFormat)
	}
	in.l4 = in.newL4()
	in.l7 = in.newL7()
	if cfg.HealthOnDown == "close" {
		in.l4.Relays.CutOnDown, in.l7.CutOnDown = true, true
	}
	in.checker.Relieve = func(b *health.Backend) bool { return in.l7.GiveUpIdle(b, cfg.HealthTimeout) }
	pool.OnTransition = in.transitions()
	in.admin = &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		MaxHeaderBytes:    64 << 10,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	return in
}

// Run serves until a signal, which it answers with a drain, or until a listener
// fails. ready, if not nil, is called with the addresses once all listen.
func (in *Instance) Run(ready func(Addrs)) error {
	sigc := make(chan os.Signal, 2)
	signal.Notify(sigc, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(sigc)
	hupc := make(chan os.Signal, 1)
	signal.Notify(hupc, syscall.SIGHUP)
	defer signal.Stop(hupc)
	ctx, cancel := context.WithCancel(context.Background())
	defer in.wg.Wait()
	defer cancel()

	in.wg.Go(func() { _ = in.finder.Run(ctx) })
	if !in.firstRound(ctx, sigc) {
		return nil
	}
	lns, err := in.listenAll(ctx)
	if err != nil {
		in.retreat(ctx, lns, err, sigc)
		return err
	}
	in.serveAll(ctx, lns)
	in.wg.Go(func() { in.reloadOn(ctx, hupc) })
	in.tell(daemon.SdNotifyReady)
	if ready != nil {
		ready(lns.addrs())
	}
	select {
	case sig := <-sigc:
		in.shutdown(laterSignals(ctx, sigc), "signal", sig.String())
		return nil
	case err := <-in.fatalc:
		in.closeAll()
		return err
	}
}

// firstRound waits for the first lookups of the backends' names and decides the first
// state of each backend. It reports false if a signal ended it.
func (in *Instance) firstRound(ctx context.Context, sigc <-chan os.Signal) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	donec := make(chan struct{})
	go func() {
		in.finder.Replace(ctx, in.cfg.Backends)
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

// Addrs are the addresses that an instance listens on; nil where a listener is off.
type Addrs struct{ L4, L7, Admin net.Addr }

// listeners are those of an instance; nil where one is off.
type listeners struct{ l4, l7, admin net.Listener }

func (l listeners) addrs() Addrs {
	addr := func(ln net.Listener) net.Addr {
		if ln == nil {
			return nil
		}
		return ln.Addr()
	}
	return Addrs{L4: addr(l.l4), L7: addr(l.l7), Admin: addr(l.admin)}
}

func (l listeners) close() {
	for _, ln := range []net.Listener{l.l4, l.l7, l.admin} {
		if ln != nil {
			_ = ln.Close()
		}
	}
}

// listenAll opens the listeners. With an error it returns those that it had opened
// before the one that failed.
func (in *Instance) listenAll(ctx context.Context) (lns listeners, err error) {
	for _, l := range []struct {
		variable string
		addr     config.Address
		ln       *net.Listener
	}{
		{"LB_L4_LISTEN", in.cfg.L4Listen, &lns.l4},
		{"LB_L7_LISTEN", in.cfg.L7Listen, &lns.l7},
		{"LB_ADMIN_LISTEN", in.cfg.AdminListen, &lns.admin},
	} {
		if *l.ln, err = in.listen(ctx, l.addr); err != nil {
			return lns, fmt.Errorf("%s=%s: %w", l.variable, l.addr, err)
		}
	}
	return lns, nil
}

// serveAll serves on the listeners, and starts probes.
func (in *Instance) serveAll(ctx context.Context, lns listeners) {
	in.admin.Handler, in.admin.ConnState = admin.Handler(in.source(ctx, lns.addrs())), admin.Few()
	in.adminListener = lns.admin
	for _, addr := range []net.Addr{lns.addrs().L4, lns.addrs().L7, lns.addrs().Admin} {
		if addr != nil {
			in.own.Add(addr)
		}
	}
	in.serve("l4", lns.l4, in.l4.Serve)
	in.serve("l7", lns.l7, in.l7.Serve)
	in.serve("admin", lns.admin, in.admin.Serve)
	if in.checker.Probe != nil {
		in.wg.Go(func() { _ = in.checker.Run(ctx) })
	}
}

// serve runs one frontend on its listener. Its failure ends the instance.
func (in *Instance) serve(name string, ln net.Listener, serve func(net.Listener) error) {
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
