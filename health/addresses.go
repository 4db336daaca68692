package health

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// addresses are a host's: of each family those of its last good answer.
type addresses struct{ v4, v6 []netip.Addr }

// all returns the addresses in the order in which they are used.
func (a addresses) all() []netip.Addr { return slices.Concat(a.v4, a.v6) }

// lookUp looks a host up again. A family whose lookup fails keeps its last addresses;
// one that the host does not have loses them only if it has the other. The error is
// not nil if neither family could be had.
func (a addresses) lookUp(ctx context.Context, r *net.Resolver, host string) (addresses, error) {
	var errs [2]error
	now := a
	var wg sync.WaitGroup
	wg.Go(func() { now.v4, errs[0] = family(ctx, r, "ip4", host, a.v4) })
	wg.Go(func() { now.v6, errs[1] = family(ctx, r, "ip6", host, a.v6) })
	wg.Wait()
	if errs[0] != nil && errs[1] != nil {
		if notFound(errs[0]) { // the other is of more use
			return a, errs[1]
		}
		return a, errs[0]
	}
	return now, nil
}

// family returns a host's addresses of one family, sorted; if the lookup fails, last.
func family(ctx context.Context, r *net.Resolver, network, host string, last []netip.Addr) ([]netip.Addr, error) {
	found, err := r.LookupNetIP(ctx, network, host)
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
