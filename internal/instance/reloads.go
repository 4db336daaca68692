package instance

import (
	"slices"
	"sync"
	"time"

	"fourseven/internal/admin"
)

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
