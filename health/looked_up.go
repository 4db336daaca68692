package health

import (
	"errors"
	"net"
	"slices"
	"sync"
)

// lookedUp is a name that is looked up.
type lookedUp struct {
	entry     Entry
	answeredc chan struct{}  // closed when there is an answer, also that there is no such name
	once      sync.Once      // closes it
	wg        sync.WaitGroup // of what goes on after a lookup

	// Guarded by Discoverer.mu.
	answer   answer
	result   LookupResult // of the last lookup
	resolved bool         // one was good
	found    found        // what was logged
	throttle Throttle     // of lines about what it finds
}

func (n *lookedUp) answered() { n.once.Do(func() { close(n.answeredc) }) }

// logLocked logs that lookups fail, or no longer do, or fail for another reason.
func (d *Discoverer) logLocked(n *lookedUp, result LookupResult, err error) {
	if d.Logger == nil || result == n.result {
		return
	}
	name := n.entry.Spec.Addr
	if err == nil {
		d.Logger.Info("lookup recovered", "name", name)
		return
	}
	d.Logger.Warn("lookup failed", "name", name, "result", result.String(),
		"kept", len(n.answer.backends(n.entry, d.Own).addrs()), "err", d.naming(err))
}

// naming makes a lookup's error name the server that was asked. Package net names the
// system's, also where another one was.
func (d *Discoverer) naming(err error) error {
	var dns *net.DNSError
	if d.Server == "" || !errors.As(err, &dns) || dns.Server == "" {
		return err
	}
	named := *dns
	named.Server = d.Server
	return &named
}

// logFoundLocked logs which addresses of a name are left out, and that a backend at a
// name has other addresses.
func (d *Discoverer) logFoundLocked(n *lookedUp, f found) {
	was := n.found
	n.found = f
	if d.Logger == nil {
		return
	}
	name := n.entry.Spec.Addr
	if addrs := f.addrs(); n.entry.kind == static && len(was.addrs()) > 0 && !slices.Equal(addrs, was.addrs()) {
		d.Logger.Info("addresses changed", "name", name, "addresses", names(addrs), "was", names(was.addrs()))
	}
	n.logLeftOut(d.Logger.Warn, "no backend can have these addresses, they are left out", f.unfit, was.unfit)
	n.logLeftOut(d.Logger.Error, "these addresses are this process's own listeners, they are left out", f.own, was.own)
}

// logLeftOut logs addresses that are not used, if they are others than before.
func (n *lookedUp) logLeftOut(log func(string, ...any), text string, addrs, was []string) {
	if len(addrs) == 0 || slices.Equal(addrs, was) {
		return
	}
	if held, ok := n.throttle.Pass(text); ok {
		log(text, "name", n.entry.Spec.Addr, "addresses", names(addrs), "held_back", held)
	}
}
