package instance

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"fourseven/internal/admin"
	"fourseven/internal/config"
)

// reloadOn reads the lists of backends again at each SIGHUP, until the context is
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

// reload reads the lists that are in files again, each on its own: if anything is wrong
// with one, none of it is taken. Live connections go on.
func (in *Instance) reload(ctx context.Context) {
	var lists []listFile
	for _, s := range in.services {
		variable, path, ok := s.cfg.BackendsFile()
		if !ok {
			continue
		}
		i := slices.IndexFunc(lists, func(l listFile) bool { return l.variable == variable })
		if i < 0 {
			i = len(lists)
			lists = append(lists, listFile{variable: variable, path: path})
		}
		lists[i].services = append(lists[i].services, s)
	}
	if len(lists) == 0 {
		in.logger.Warn("reload ignored", "signal", "SIGHUP", "err", "LB_BACKENDS_FILE is not set: there is nothing to read again")
	}
	var wg sync.WaitGroup // a file or a name that is slow holds up no other list
	for _, l := range lists {
		wg.Go(func() { in.reloadList(ctx, l) })
	}
	wg.Wait()
}

// listFile is a file with a list of backends, and the services that have the list.
type listFile struct {
	variable, path string
	services       []*service
}

// reloadList reads one list again.
func (in *Instance) reloadList(ctx context.Context, l listFile) {
	list, err := config.ReadBackends(ctx, l.variable, l.path)
	if err == nil {
		err = in.cfg.CheckBackends(l.variable, list)
	}
	in.reloads.count(l.variable, err)
	attrs := []any{"signal", "SIGHUP", "file", l.path}
	if l.services[0].cfg.Name != "" {
		attrs = append(attrs, "services", l.names())
	}
	if err != nil {
		in.logger.Error("reload refused", append(attrs, "err", err)...)
		in.events.Note(false, fmt.Sprintf("%s was read again and refused: %v", l.variable, err))
		return
	}
	var wg sync.WaitGroup // a service may wait for the first lookups of new names
	for _, s := range l.services {
		wg.Go(func() { s.finder.Replace(ctx, list) })
	}
	wg.Wait()
	in.events.Note(true, l.variable+" was read again")
	in.logger.Info("reloaded", append(attrs, "entries", len(list))...)
}

// names returns the names of the services, for the log.
func (l listFile) names() string {
	var names []string
	for _, s := range l.services {
		names = append(names, s.cfg.Name)
	}
	return strings.Join(names, ",")
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
	if slices.ContainsFunc(r.all, func(known admin.Reload) bool { return known.Setting == setting }) {
		return // services share it
	}
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
