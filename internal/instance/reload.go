package instance

import (
	"context"
	"os"

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

// reload takes the list in LB_BACKENDS_FILE, or if anything is wrong with it none
// of it. What lives goes on.
func (in *Instance) reload(ctx context.Context) {
	path, ok := in.cfg.BackendsFile()
	if !ok {
		in.logger.Warn("reload ignored", "signal", "SIGHUP", "err", "LB_BACKENDS_FILE is not set: there is nothing to read again")
		return
	}
	list, err := config.ReadBackends(ctx, path)
	if err != nil {
		in.logger.Error("reload refused", "signal", "SIGHUP", "file", path, "err", err)
		return
	}
	in.finder.Replace(ctx, list)
	in.logger.Info("reloaded", "signal", "SIGHUP", "file", path, "entries", len(list))
}
