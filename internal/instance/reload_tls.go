package instance

import (
	"context"
	"slices"

	"fourseven/internal/config"
	"fourseven/internal/tlsconf"
)

// certificates are those of one setting, of the services that have it.
type certificates struct {
	paths   []string
	all     []reloader
	reading config.Reading[outcome]
}

// reloader reads files of certificates again: a *tlsconf.Server or a *tlsconf.Client.
type reloader interface {
	Reload() (changed bool, err error)
}

// watchCertificates has the certificates that are in files read again.
func (in *Instance) watchCertificates() {
	sets := map[string]*certificates{} // by setting
	for _, s := range in.services {
		variable, paths := s.cfg.Files("LB_BACKEND_TLS_CA", "LB_BACKEND_TLS_CERT", "LB_BACKEND_TLS_KEY")
		in.watchPaths(sets, variable, paths, s.backendTLS.Client)
		if s.listenerTLS != nil {
			variable, paths = s.cfg.Files("LB_TLS_CERT", "LB_TLS_KEY", "LB_TLS_DIR", "LB_TLS_CLIENT_CA", "LB_TLS_TICKET_KEY")
			in.watchPaths(sets, variable, paths, s.listenerTLS)
		}
	}
}

// watchPaths has certificates in these files read again. Services that inherit the setting
// are one.
func (in *Instance) watchPaths(sets map[string]*certificates, setting string, paths []string, r reloader) {
	if len(paths) == 0 {
		return
	}
	if c := sets[setting]; c != nil && slices.Equal(c.paths, paths) {
		c.all = append(c.all, r)
		return
	}
	c := &certificates{paths: paths, all: []reloader{r}}
	sets[setting] = c
	in.watch(&watched{setting: setting, attrs: []any{"files", paths}, reload: c.reload})
}

// reload applies the content of the files, if two readings agree on it.
func (c *certificates) reload(ctx context.Context, _ occasion) outcome {
	out, err := c.reading.Wait(ctx, c.read)
	if err != nil {
		return outcome{err: err}
	}
	return out
}

func (c *certificates) read() (out outcome) {
	for _, r := range c.all {
		changed, err := r.Reload()
		if tlsconf.Unsettled(err) {
			err = errUnsettled
		}
		out.changed = out.changed || changed
		if err != nil {
			out.err = err
		}
	}
	return out
}
