package instance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// watched is the part of one setting that is in files. It is read again at SIGHUP, and
// every LB_WATCH.
type watched struct {
	setting string // as lb_reloads_total has it
	attrs   []any  // for the log: the file, and the services that have the setting
	// reload reads the files, and applies new content if it is valid. It returns when the
	// context is done, and if a file hangs.
	reload func(ctx context.Context, why occasion) outcome

	refused string // the error that was reported last; empty after a success
}

// occasion is why something is read again.
type occasion struct {
	signal bool          // SIGHUP: the content is applied, and reported, even if it is not new
	settle time.Duration // the pause between two readings, which must agree
}

// outcome is the outcome of a reading.
type outcome struct {
	changed bool  // something was taken
	attrs   []any // what was, for the log
	err     error // why nothing was
}

// errUnsettled is the error of a reading while something is being written.
var errUnsettled = errors.New("the files are being changed")

// How often a reading at SIGHUP is repeated while something is being written, and the pause
// between two that must agree.
const (
	settleTries  = 10
	signalSettle = 100 * time.Millisecond
	watchSettle  = time.Second
)

// reloadOn reads files again at each SIGHUP, and every LB_WATCH, until the context is
// done.
func (in *Instance) reloadOn(ctx context.Context, hupc <-chan os.Signal) {
	var lookc <-chan time.Time
	if in.cfg.Watch > 0 && len(in.watched) > 0 {
		tick := time.NewTicker(in.cfg.Watch)
		defer tick.Stop()
		lookc = tick.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-hupc:
			in.reload(ctx)
		case <-lookc:
			in.look(ctx)
		}
	}
}

// reload reads all files again, each setting on its own: if anything is wrong with one,
// none of it is taken. Live connections go on.
func (in *Instance) reload(ctx context.Context) {
	if len(in.watched) == 0 {
		in.logger.Warn("reload ignored", "signal", "SIGHUP", "err", "no list of backends and no certificate is in a file: there is nothing to read again")
	}
	in.eachWatched(func(w *watched) {
		why := occasion{signal: true, settle: signalSettle}
		out := w.reload(ctx, why)
		for i := 1; errors.Is(out.err, errUnsettled) && i < settleTries; i++ {
			out = w.reload(ctx, why)
		}
		if ctx.Err() == nil {
			in.report(w, out, "signal", "SIGHUP")
		}
	})
}

// look looks for new content in the files. An error is reported once, as long as it does
// not change.
func (in *Instance) look(ctx context.Context) {
	in.eachWatched(func(w *watched) {
		out := w.reload(ctx, occasion{settle: min(in.cfg.Watch, watchSettle)})
		switch {
		case ctx.Err() != nil, errors.Is(out.err, errUnsettled):
		case out.err == nil && !out.changed:
			w.refused = "" // the error has been undone
		case out.err == nil || out.err.Error() != w.refused:
			in.report(w, out, "setting", "LB_WATCH")
		}
	})
}

// eachWatched calls a function for all settings at once: a file or a name that is slow
// holds up no other.
func (in *Instance) eachWatched(do func(*watched)) {
	var wg sync.WaitGroup
	for _, w := range in.watched {
		wg.Go(func() { do(w) })
	}
	wg.Wait()
}

// report counts and logs a reading that has changed something or was refused. The cause is
// for the log: a key and a value.
func (in *Instance) report(w *watched, out outcome, cause ...any) {
	in.reloads.count(w.setting, out.err)
	attrs := append(cause, w.attrs...)
	if out.err != nil {
		w.refused = out.err.Error()
		in.logger.Error("reload refused", append(attrs, "err", out.err)...)
		in.events.Note(false, fmt.Sprintf("%s was read again and refused: %v", w.setting, out.err))
		return
	}
	w.refused = ""
	in.events.Note(true, w.setting+" was read again")
	in.logger.Info("reloaded", append(attrs, out.attrs...)...)
}

// watch adds something that is read again.
func (in *Instance) watch(w *watched) {
	in.watched = append(in.watched, w)
	in.reloads.expect(w.setting)
}

// pause returns after the time, or when the context is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
