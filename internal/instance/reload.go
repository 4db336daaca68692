package instance

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"fourseven/internal/admin"
	"fourseven/internal/config"
)

// reloadOn reads the list of backends again at each SIGHUP, until the context is
// done.
func (in *Instance) reloadOn(ctx context.Context, hupc <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hupc:
			in.reload(ctx)
		}
	}
}

// reload takes the list in LB_BACKENDS_FILE, or if anything is wrong with it none of
// it. Live connections go on.
func (in *Instance) reload(ctx context.Context) {
	path, ok := in.cfg.BackendsFile()
	if !ok {
		in.logger.Warn("reload ignored", "signal", "SIGHUP", "err", "LB_BACKENDS_FILE is not set: there is nothing to read again")
		return
	}
	list, err := config.ReadBackends(ctx, path)
	if err == nil {
		err = in.cfg.CheckOwn(list)
	}
	in.reloads.count("LB_BACKENDS", err)
	if err != nil {
		in.logger.Error("reload refused", "signal", "SIGHUP", "file", path, "err", err)
		return
	}
	in.finder.Replace(ctx, list)
	in.logger.Info("reloaded", "signal", "SIGHUP", "file", path, "entries", len(list))
}

// reloads counts the settings that were read again. It is safe for concurrent use.
type reloads struct {
	mu  sync.Mutex
	all []admin.Reload // two for each setting that can be read again
}

// expect adds a setting that can be read again, with counts of zero.
func (r *reloads) expect(setting string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, admin.Reload{Setting: setting, Result: admin.ReloadOK},
		admin.Reload{Setting: setting, Result: admin.ReloadRefused})
}

// count counts one reading of a setting that was expected; a nil err is a success.
func (r *reloads) count(setting string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	result, text := admin.ReloadOK, ""
	if err != nil {
		result, text = admin.ReloadRefused, err.Error()
	}
	for i := range r.all {
		if r.all[i].Setting == setting && r.all[i].Result == result {
			r.all[i].Count++
			r.all[i].At, r.all[i].Error = time.Now(), text
		}
	}
}

// snapshot returns the counts.
func (r *reloads) snapshot() []admin.Reload {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}
