package instance

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"fourseven/internal/admin"
	"fourseven/internal/config"
	"fourseven/internal/logging"
	"fourseven/internal/loop"
	"fourseven/l4"
)

// Instance is one running load balancer: its services and admin pages, and the order in
// which they start and stop.
type Instance struct {
	cfg     *config.Config
	version string
	logger  *slog.Logger

	services []*service
	fronts   []*front           // the listeners of the services; none before Run
	access   *logging.AccessLog // nil for none
	loops    *loop.Group        // nil before Run
	slots    *l4.Slots          // how many client connections there may be
	own      l4.Own             // the listeners
	admin    *http.Server
	dropped  func() uint64 // lines of the log
	watched  []*watched    // what is read again
	reloads  reloads
	events   admin.Events
	draining atomic.Bool
	began    time.Time
	limits   limits

	shared        []*l4.Shared // the listeners, with LB_REUSE_PORT=on
	adminListener net.Listener // nil where it is off or not open yet

	fatalc chan error // the first failure of a listener ends the instance
	wg     sync.WaitGroup
}

// New returns an instance with these settings, which logs to a sink. It listens
// nowhere yet. The version is shown in the log, on the admin page and in metrics.
func New(cfg *config.Config, version string, log *logging.Sink) *Instance {
	logger := slog.New(logging.NewHandler(log, cfg.LogFormat, cfg.LogLevel))
	announce(cfg, version, logger)
	in := &Instance{
		cfg: cfg, version: version, logger: logger,
		began:   time.Now(),
		limits:  connLimits(cfg, ownResources(logger), logger),
		dropped: log.Dropped,
		fatalc:  make(chan error, 3*len(cfg.Services)+1),
	}
	in.events.Note(true, "fourseven "+version+" was started")
	in.slots = l4.NewSlots(in.limits.conns)
	if cfg.AccessLog {
		in.access = logging.NewAccessLog(log, cfg.LogFormat)
	}
	for _, s := range cfg.Services {
		in.services = append(in.services, in.newService(s))
	}
	in.watchLists()
	in.watchCertificates()
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
	if err := in.loadCertificates(); err != nil {
		return err
	}
	if err := in.startLoops(); err != nil {
		return err
	}
	defer func() { _ = in.loops.Close() }() // last: all connections are closed by then
	ctx, cancel := context.WithCancel(context.Background())
	defer in.wg.Wait()
	defer cancel()

	for _, s := range in.services {
		in.wg.Go(func() { _ = s.finder.Run(ctx) })
	}
	if !in.firstRound(ctx, sigc) {
		return nil
	}
	if err := in.listenAll(ctx); err != nil {
		in.retreat(ctx, err, sigc)
		return err
	}
	in.serveAll(ctx)
	in.wg.Go(func() { in.reloadOn(ctx, hupc) })
	runtime.GC() // what reading the settings took is free for connections
	in.tell(daemon.SdNotifyReady)
	if ready != nil {
		ready(in.addrs())
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

// startLoops starts the event loops that all services share, and makes the servers that
// use them.
func (in *Instance) startLoops() (err error) {
	if in.loops, err = l4.NewLoops(in.logger, in.limits.pipes); err != nil {
		return err
	}
	for _, s := range in.services {
		s.l4.Loops, s.l7.Loops = in.loops, in.loops
	}
	in.fronts = in.newFronts()
	return nil
}

// firstRound decides the first state of each service's backends. It reports false if a
// signal ended it.
func (in *Instance) firstRound(ctx context.Context, sigc <-chan os.Signal) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var rounds sync.WaitGroup
	for _, s := range in.services {
		rounds.Go(func() { s.firstRound(ctx) })
	}
	donec := make(chan struct{})
	go func() { rounds.Wait(); close(donec) }()
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
