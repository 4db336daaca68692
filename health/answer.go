package health

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// maxLookups is how many hosts of one service are looked up at a time.
const maxLookups = 8

// answer has the last good response for each part of a name.
type answer struct {
	records []*net.SRV // of a service
	hosts   map[string]*hostname
}

// lookup is how one name is looked up.
type lookup struct {
	resolver *net.Resolver
	wg       *sync.WaitGroup // of the goroutines that outlive the lookup
	late     func()          // called when one of them has a result
}

// lookUp looks the entry's name up. Parts that fail now are taken from the last answer;
// the error is not nil if all of them failed.
func (l lookup) lookUp(ctx context.Context, e Entry, last answer) (answer, error) {
	now := answer{hosts: map[string]*hostname{}}
	names := []string{e.name}
	if e.kind == service {
		limited, cancel := context.WithTimeout(ctx, familyTimeout)
		defer cancel()
		_, records, err := l.resolver.LookupSRV(limited, "", "", e.name)
		if len(records) == 0 { // there is an error as well if some are unusable
			return last, cmp.Or(err, errUnfit(nil))
		}
		names = targets(records)
		now.records = records
	}
	for _, name := range names {
		if now.hosts[name] = last.hosts[name]; now.hosts[name] == nil {
			now.hosts[name] = &hostname{name: name, late: l.late}
		}
	}
	err := l.hosts(ctx, now.hosts)
	if e.kind == service {
		if now.empty() {
			return last, cmp.Or(err, errUnfit(nil))
		}
		return now, nil
	}
	return now, err
}

// hosts looks hosts up, a few at a time. It returns one of the errors.
func (l lookup) hosts(ctx context.Context, all map[string]*hostname) error {
	places := make(chan struct{}, maxLookups)
	errc := make(chan error, len(all))
	for _, h := range all {
		places <- struct{}{}
		go func() {
			errc <- h.lookUp(ctx, l.wg, l.resolver)
			<-places
		}()
	}
	var first error
	for range all {
		first = cmp.Or(first, <-errc)
	}
	return first
}

func targets(records []*net.SRV) []string {
	var names []string
	for _, r := range records {
		names = append(names, r.Target)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// empty reports whether there are no addresses.
func (a answer) empty() bool {
	for _, h := range a.hosts {
		if len(h.addrs()) > 0 {
			return false
		}
	}
	return true
}

// found are the backends in an answer, and the addresses that were left out of it.
type found struct {
	specs []Spec
	// unfit are addresses that no backend can have, and own those of listeners of this
	// process.
	unfit, own []string
}

// addrs returns the addresses that are dialled.
func (f found) addrs() (addrs []string) {
	for _, s := range f.specs {
		addrs = append(addrs, s.dialled()...)
	}
	return addrs
}

// backends returns the entry's backends as the answer has them, in an order that is
// always the same. own may be nil.
func (a answer) backends(e Entry, own func(netip.AddrPort) bool) found {
	var f found
	switch e.kind {
	case service:
		f.service(a, e, own)
	case host:
		for _, addr := range f.usable(a.hosts[e.name], e.port, own) {
			f.specs = append(f.specs, e.backend(addr, e.name, 1, false))
		}
	case static:
		spec := e.Spec
		spec.addrs = f.usable(a.hosts[e.name], e.port, own)
		f.specs = []Spec{spec}
	}
	return f
}

// usable returns the addresses of backends at a port of a host, which is nil before the
// first lookup. They are not nil.
func (f *found) usable(h *hostname, port string, own func(netip.AddrPort) bool) []string {
	addrs := []string{}
	if h == nil {
		return addrs
	}
	for _, addr := range h.unfit() {
		f.unfit = append(f.unfit, net.JoinHostPort(addr.String(), port))
	}
	for _, addr := range h.addrs() {
		at := net.JoinHostPort(addr.String(), port)
		if parsed, err := netip.ParseAddrPort(at); err == nil && own != nil && own(parsed) {
			f.own = append(f.own, at)
		} else {
			addrs = append(addrs, at)
		}
	}
	return addrs
}

// service makes the hosts of the lowest priority that has addresses take the traffic,
// and all others backups.
func (f *found) service(a answer, e Entry, own func(netip.AddrPort) bool) {
	usable := map[*net.SRV][]string{}
	for _, r := range a.records {
		if r.Port == 0 {
			f.unfit = append(f.unfit, net.JoinHostPort(hostOfRecord(r), "0"))
		} else {
			usable[r] = f.usable(a.hosts[r.Target], fmt.Sprint(r.Port), own)
		}
	}
	records := slices.DeleteFunc(slices.Clone(a.records), func(r *net.SRV) bool { return len(usable[r]) == 0 })
	slices.SortFunc(records, func(x, y *net.SRV) int { // the resolver shuffles them
		return cmp.Or(cmp.Compare(x.Priority, y.Priority), cmp.Compare(x.Target, y.Target), cmp.Compare(x.Port, y.Port))
	})
	weights := srvWeights(records)
	for i, r := range records {
		for _, addr := range usable[r] {
			f.specs = append(f.specs, e.backend(addr, hostOfRecord(r), weights[i], r.Priority > records[0].Priority))
		}
	}
}

func hostOfRecord(r *net.SRV) string { return strings.TrimSuffix(r.Target, ".") }
