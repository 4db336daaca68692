package health

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// maxLookups is how many hosts of one service are looked up at a time.
const maxLookups = 8

// DNSServer returns a resolver that asks the server at addr, a host:port, instead
// of the system's. Search domains and the hosts file stay the system's.
func DNSServer(addr string) *net.Resolver {
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		},
	}
}

// ask looks the entry's name up. What cannot be had now is taken from the last
// answer; the error is not nil if that is all of it.
func (e Entry) ask(ctx context.Context, r *net.Resolver, last answer) (answer, error) {
	now := answer{hosts: map[string]addresses{}}
	names := []string{e.name}
	if e.kind == service {
		_, records, err := r.LookupSRV(ctx, "", "", e.name)
		if len(records) == 0 { // there is an error as well if some are unusable
			return last, noneOf(err)
		}
		names = targets(records)
		now.records = records
	}
	var mu sync.Mutex
	var first error
	each(names, func(name string) {
		known, err := hostAddresses(ctx, r, name, last.hosts[name])
		mu.Lock()
		defer mu.Unlock()
		now.hosts[name] = known
		if err != nil && first == nil {
			first = err
		}
	})
	for _, known := range now.hosts {
		if len(known.v4)+len(known.v6) > 0 && (e.kind == service || first == nil) {
			return now, nil
		}
	}
	return last, noneOf(first)
}

// noneOf returns an error for an answer without anything in it.
func noneOf(err error) error {
	if err == nil {
		return &net.DNSError{Err: "no addresses", IsNotFound: true}
	}
	return err
}

func targets(records []*net.SRV) []string {
	var names []string
	for _, r := range records {
		names = append(names, r.Target)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// each calls f for all names, for a few at a time.
func each(names []string, f func(name string)) {
	places := make(chan struct{}, maxLookups)
	var wg sync.WaitGroup
	for _, name := range names {
		places <- struct{}{}
		wg.Go(func() {
			f(name)
			<-places
		})
	}
	wg.Wait()
}

// hostAddresses looks a host up. A family that cannot be had keeps its last
// addresses; one that the host does not have loses them only if it has the other.
func hostAddresses(ctx context.Context, r *net.Resolver, name string, last addresses) (addresses, error) {
	var errs [2]error
	now := last
	var wg sync.WaitGroup
	wg.Go(func() { now.v4, errs[0] = family(ctx, r, "ip4", name, last.v4) })
	wg.Go(func() { now.v6, errs[1] = family(ctx, r, "ip6", name, last.v6) })
	wg.Wait()
	if errs[0] != nil && errs[1] != nil {
		if notFound(errs[0]) { // then the other one says more
			return last, errs[1]
		}
		return last, errs[0]
	}
	return now, nil
}

// family returns a host's addresses of one family, sorted.
func family(ctx context.Context, r *net.Resolver, network, name string, last []netip.Addr) ([]netip.Addr, error) {
	found, err := r.LookupNetIP(ctx, network, name)
	if notFound(err) {
		return nil, err
	}
	if err != nil {
		return last, err
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return slices.Compact(found), nil
}

// withoutServer leaves the server out of a lookup's error. Package net names the
// system's, also where DNSServer had another one asked.
func withoutServer(err error) error {
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		return err
	}
	unnamed := *dns
	unnamed.Server = ""
	return &unnamed
}

func notFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// LookupResult is the result of a lookup.
type LookupResult uint8

// The results of a lookup.
const (
	LookupOK       LookupResult = iota
	LookupNotFound              // the name does not exist, or has no such records
	LookupTimeout
	LookupError // anything else, such as SERVFAIL
	numLookupResults
)

// LookupResults are all results of a lookup.
var LookupResults = [numLookupResults]LookupResult{LookupOK, LookupNotFound, LookupTimeout, LookupError}

// String returns the result's word as metrics have it.
func (r LookupResult) String() string {
	return [...]string{"ok", "not_found", "timeout", "error"}[r]
}

func lookupResult(err error) LookupResult {
	var dns *net.DNSError
	switch {
	case err == nil:
		return LookupOK
	case notFound(err):
		return LookupNotFound
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dns) && dns.IsTimeout:
		return LookupTimeout
	}
	return LookupError
}
