package health

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Lenient is an http probe for a first try, when nothing is known about the backends. It
// passes if the response to GET Path has a status from 200 to 399. A backend that has
// never responded so passes with 404, 405 and 501 too: it has no such page. A backend
// that does not speak HTTP is only connected to, by later probes too, for as long as it
// is in use. Each of the two is logged once for a backend.
type Lenient struct {
	Path   string
	Via    Via
	Logger *slog.Logger // must not be nil
}

// habit is what a Lenient probe has found out about a backend.
type habit uint32

const (
	anyHabit  habit = iota // nothing is known yet
	notHTTP                // it does not speak HTTP
	hasHTTP                // it speaks HTTP
	hasNoPage              // it has no page to probe
	hasPage                // it has one
)

// Probe probes the backend once.
func (l *Lenient) Probe(ctx context.Context, b *Backend) error {
	known := habit(b.habit.Load())
	if known == notHTTP {
		return TCPProbe(l.Via)(ctx, b)
	}
	get := HTTP{Path: l.Path, Via: l.Via}
	got, err := get.ask(ctx, b)
	status := got.status
	switch {
	case known == anyHabit && errors.As(err, new(notHTTPError)):
		return l.connect(ctx, b, err)
	case err != nil:
		return err
	case status < 400:
		b.habit.Store(uint32(hasPage))
		return nil
	}
	err = hinted{fmt.Errorf("%s: status %d", get, status), statusHint(status)}
	if noPage := status == 404 || status == 405 || status == 501; !noPage || known == hasPage {
		b.habit.CompareAndSwap(uint32(anyHabit), uint32(hasHTTP))
		return err
	}
	if known != hasNoPage {
		b.habit.Store(uint32(hasNoPage))
		l.Logger.Warn("backend without a health page counts as up", "backend", b.Addr, "err", err,
			"hint", "LB_HEALTH_PATH names its page; LB_HEALTH_CHECK=http has such a backend down, LB_HEALTH_CHECK=tcp only connects")
	}
	return nil
}

// connect decides about a backend whose response, or whose end of the connection
// without one, was not HTTP.
func (l *Lenient) connect(ctx context.Context, b *Backend, why error) error {
	if err := TCPProbe(l.Via)(ctx, b); err != nil {
		return err // perhaps nothing listens behind a port proxy: still nothing is known
	}
	b.habit.Store(uint32(notHTTP))
	l.Logger.Warn("backend does not speak HTTP, probes only connect", "backend", b.Addr, "err", why,
		"hint", "LB_HEALTH_CHECK=http has such a backend down, LB_HEALTH_CHECK=tcp asks no backend for a page")
	return nil
}
