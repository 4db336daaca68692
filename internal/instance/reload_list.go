package instance

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"fourseven/internal/config"
)

// listFile is a file with a list of backends, and the services that have the list.
type listFile struct {
	config.BackendsFile
	in       *Instance
	services []*service
	taken    string // the list in effect, as text
	// once means that it can be read only once, as a pipe can: the watch leaves it alone.
	once bool
}

// watchLists has the lists of backends that are in files read again.
func (in *Instance) watchLists() {
	var lists []*listFile
	for _, s := range in.services {
		variable, path, ok := s.cfg.BackendsFile()
		if !ok {
			continue
		}
		i := slices.IndexFunc(lists, func(l *listFile) bool { return l.Variable == variable })
		if i < 0 {
			i = len(lists)
			info, err := os.Stat(path)
			lists = append(lists, &listFile{
				BackendsFile: config.BackendsFile{Variable: variable, Path: path}, in: in,
				taken: s.cfg.Backends.String(), once: err == nil && !info.Mode().IsRegular(),
			})
		}
		lists[i].services = append(lists[i].services, s)
	}
	for _, l := range lists {
		in.watch(&watched{setting: l.Variable, attrs: l.attrs(), reload: l.reload})
	}
}

// reload applies the content of the file, if two readings agree on it.
func (l *listFile) reload(ctx context.Context, why occasion) outcome {
	if l.once && !why.signal {
		return outcome{}
	}
	list, text, err := l.Read(ctx)
	if err == nil && list.String() == l.taken && !why.signal {
		return outcome{}
	}
	if !l.once && !l.settled(ctx, why.settle, text, err) {
		return outcome{err: errUnsettled}
	}
	if err == nil {
		err = l.in.cfg.CheckBackends(l.Variable, list)
	}
	if err != nil {
		return outcome{err: err}
	}
	l.taken = list.String()
	l.replace(ctx, list)
	return outcome{changed: true, attrs: []any{"entries", len(list)}}
}

// settled reports whether a second reading, after a pause, agrees with the first one.
func (l *listFile) settled(ctx context.Context, after time.Duration, text string, err error) bool {
	pause(ctx, after)
	_, again, failed := l.Read(ctx)
	return text == again && (err == nil) == (failed == nil)
}

// replace gives the list to the services, each of which may wait for the first lookups of
// new names.
func (l *listFile) replace(ctx context.Context, list config.Backends) {
	var wg sync.WaitGroup
	for _, s := range l.services {
		wg.Go(func() { s.finder.Replace(ctx, list) })
	}
	wg.Wait()
}

// attrs returns the attributes of log lines about the file.
func (l *listFile) attrs() []any {
	attrs := []any{"file", l.Path}
	if l.services[0].cfg.Name == "" {
		return attrs
	}
	return append(attrs, "services", namesOf(l.services))
}
