package instance

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// shutdown drains. A further signal ends it at once. The cause is for the log: a key and
// a value.
func (in *Instance) shutdown(again <-chan os.Signal, cause ...any) {
	in.draining.Store(true)
	in.events.Note(false, "fourseven drains")
	in.tell(daemon.SdNotifyStopping)
	delay := in.stepBack()
	in.logger.Info("draining", append(cause, "delay", delay, "timeout", in.cfg.DrainTimeout)...)
	select {
	case <-time.After(delay):
	case <-again:
		in.closeAll()
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	if in.cfg.DrainTimeout > 0 {
		ctx, cancel = context.WithTimeout(context.Background(), in.cfg.DrainTimeout)
	}
	defer cancel()
	in.leave()
	donec := make(chan struct{})
	go func() {
		in.drain(ctx)
		close(donec)
	}()
	in.watchDrain(donec, cancel, again)
	_ = in.admin.Close()
}

// signalPause is how long after the first signal a second one is taken for the same:
// timeout(1) signals its process group and the process, and a shell's Ctrl-C reaches the
// whole group.
const signalPause = time.Second

// laterSignals returns the signals that come when signalPause has passed.
func laterSignals(ctx context.Context, sigc <-chan os.Signal) <-chan os.Signal {
	laterc := make(chan os.Signal)
	first := time.Now()
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case sig := <-sigc:
				if time.Since(first) < signalPause {
					continue
				}
				select {
				case laterc <- sig:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return laterc
}

// drain ends all frontends, and resets what is still open when ctx is done.
func (in *Instance) drain(ctx context.Context) {
	var wg sync.WaitGroup
	for _, f := range in.fronts {
		if f.routes() {
			wg.Go(func() { _ = f.Shutdown(ctx) })
		}
	}
	for _, s := range in.services {
		wg.Go(func() { _ = s.l4.Shutdown(ctx) })
		wg.Go(func() { _ = s.l7.Shutdown(ctx) })
	}
	wg.Wait()
}

// left returns, for the log, how many L4 connections and HTTP requests are open, and with
// named services which of these have some.
func (in *Instance) left() []any {
	onL4, onL7 := 0, 0
	var named []string
	for _, s := range in.services {
		l4, l7 := s.active("l4"), s.active("l7")
		onL4, onL7 = onL4+l4, onL7+l7
		if s.cfg.Name != "" && l4+l7 > 0 {
			named = append(named, fmt.Sprintf("%s:%d", s.cfg.Name, l4+l7))
		}
	}
	attrs := []any{"l4", onL4, "l7", onL7}
	if named != nil {
		attrs = append(attrs, "services", strings.Join(named, ","))
	}
	return attrs
}

// watchDrain logs each second what is left, until donec closes.
func (in *Instance) watchDrain(donec <-chan struct{}, cut func(), again <-chan os.Signal) {
	began := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-donec:
			in.logger.Info("stopped", "after", time.Since(began).Round(time.Millisecond))
			return
		case <-tick.C:
			in.logger.Info("still draining", in.left()...)
		case sig := <-again:
			in.logger.Info("cut", append([]any{"signal", sig.String()}, in.left()...)...)
			cut()
		}
	}
}

// closeAll ends everything at once.
func (in *Instance) closeAll() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	in.drain(ctx)
	_ = in.admin.Close()
}
