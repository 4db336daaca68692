package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// familyTimeout bounds the lookup of one family: several servers that do not respond
// take their time for each search domain.
const familyTimeout = 15 * time.Second

// resolutionDelay is how long the addresses of one family wait for those of the other
// (RFC 8305 section 3).
const resolutionDelay = 50 * time.Millisecond

// hostname is a host whose addresses are looked up, A and AAAA apart: a lookup without a
// response neither costs nor delays the addresses of the other family.
type hostname struct {
	name string
	// late is called after a lookup that lookUp did not wait for.
	late func()

	mu       sync.Mutex
	families [2]family
}

// family are a host's addresses of one family.
type family struct {
	addrs  []netip.Addr  // of the last good answer
	unfit  []netip.Addr  // that the last answer had besides, and no backend can have
	err    error         // of the last lookup
	endedc chan struct{} // closed when the lookup under way has ended; nil if there is none
	left   bool          // nothing waits for it
}

var networks = [2]string{"ip4", "ip6"}

// lookUp looks both families up. It returns when both lookups have ended, or soon after
// the first with addresses; the other one goes on in wg. A family whose lookup fails keeps
// its last addresses. The error is not nil if neither family could be had.
func (h *hostname) lookUp(ctx context.Context, wg *sync.WaitGroup, r *net.Resolver) error {
	v4, v6 := h.start(ctx, wg, r, 0), h.start(ctx, wg, r, 1)
	var delay <-chan time.Time
	for v4 != nil || v6 != nil {
		select {
		case <-v4:
			v4 = nil
			delay = h.delay(0)
		case <-v6:
			v6 = nil
			delay = h.delay(1)
		case <-delay:
			h.leave()
			return nil
		}
	}
	return h.err()
}

// start starts the lookup of a family, unless it is under way. The channel is closed when
// it has ended.
func (h *hostname) start(ctx context.Context, wg *sync.WaitGroup, r *net.Resolver, i int) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := &h.families[i]
	f.left = false
	if f.endedc != nil {
		return f.endedc
	}
	endedc := make(chan struct{})
	f.endedc = endedc
	wg.Go(func() {
		limited, cancel := context.WithTimeout(ctx, familyTimeout)
		defer cancel()
		found, err := r.LookupNetIP(limited, networks[i], h.name)
		if h.ended(i, found, err) && ctx.Err() == nil {
			h.late()
		}
		close(endedc)
	})
	return endedc
}

// ended takes the result of a family's lookup, and reports whether nothing waited for it.
func (h *hostname) ended(i int, found []netip.Addr, err error) (late bool) {
	fit, unfit := sortOut(found)
	if err == nil && len(fit) == 0 {
		err = errUnfit(unfit)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	f, other := &h.families[i], &h.families[1-i]
	f.endedc, f.err, f.unfit = nil, err, unfit
	if err == nil {
		f.addrs = fit
	}
	// A host loses the addresses of a family only to those of the other.
	for _, pair := range [][2]*family{{f, other}, {other, f}} {
		if notFound(pair[0].err) && pair[1].err == nil && len(pair[1].addrs) > 0 {
			pair[0].addrs = nil
		}
	}
	return f.left
}

// delay returns the channel that ends the wait for the other family, if this one has
// addresses.
func (h *hostname) delay(i int) <-chan time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.families[i].err != nil {
		return nil
	}
	return time.After(resolutionDelay)
}

// leave leaves the lookups that are under way to themselves.
func (h *hostname) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.families {
		h.families[i].left = true
	}
}

// err returns why neither family could be had.
func (h *hostname) err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v4, v6 := h.families[0].err, h.families[1].err
	switch {
	case v4 == nil || v6 == nil:
		return nil
	case notFound(v4): // the other is of more use
		return v6
	}
	return v4
}

// addrs returns the addresses in the order in which they are used.
func (h *hostname) addrs() []netip.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Concat(h.families[0].addrs, h.families[1].addrs)
}

// unfit returns the addresses in the last answers that no backend can have.
func (h *hostname) unfit() []netip.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Concat(h.families[0].unfit, h.families[1].unfit)
}

// sortOut sorts addresses, and separates those that no backend can have: a dial of the
// unspecified address reaches this host, and TCP has no broadcast or multicast.
func sortOut(found []netip.Addr) (fit, rest []netip.Addr) {
	for i := range found {
		found[i] = found[i].Unmap()
	}
	slices.SortFunc(found, netip.Addr.Compare)
	for _, addr := range slices.Compact(found) {
		if unfit(addr) {
			rest = append(rest, addr)
		} else {
			fit = append(fit, addr)
		}
	}
	return fit, rest
}

// unfit reports whether no backend can have addr.
func unfit(addr netip.Addr) bool {
	return addr.IsUnspecified() || addr.IsMulticast() || addr == broadcast
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func errUnfit(unfit []netip.Addr) error {
	if len(unfit) == 0 {
		return &net.DNSError{Err: "no addresses", IsNotFound: true}
	}
	return errors.New(fmt.Sprint("no backend can have the addresses ", unfit))
}
