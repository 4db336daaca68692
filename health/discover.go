package health

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// firstAnswer is how long a new list waits for the first answers for its names.
const firstAnswer = 5 * time.Second

// unresolvedInterval is the time between two lookups of a name that has never
// been answered, unless Discoverer.Interval is shorter.
const unresolvedInterval = time.Second

// Discoverer keeps a pool's backends as a list has them, and looks up the names in it: a
// backend at a host name has the addresses of the name, and of a name with a scheme each
// address is a backend. The last good answer for a name holds until there is another. Its
// exported fields are set before use.
type Discoverer struct {
	Pool *Pool
	// Server is the DNS server that is asked, a host:port. If empty, it is the system's.
	Server string
	// Interval is the time between two lookups of a name; each pause is up to a tenth
	// shorter. It must be positive.
	Interval time.Duration
	// Own reports whether an address is one of this process's listeners: it is not used
	// if a name has it. If nil, there are none.
	Own func(netip.AddrPort) bool
	// Logger receives a failure once, until the result is another. It may be nil.
	Logger *slog.Logger

	lookups [numLookupResults]atomic.Uint64

	once     sync.Once
	changedc chan struct{} // wakes Run when the list changes
	resolver *net.Resolver

	replacing sync.Mutex // held by Replace, so that lists come one after the other

	mu      sync.Mutex
	entries []Entry
	byName  map[string]*lookedUp // the names that are looked up, by the entry's Addr
}

// Lookups returns the number of DNS lookups with this result.
func (d *Discoverer) Lookups(r LookupResult) uint64 { return d.lookups[r].Load() }

// Entries returns the list, which must not be changed.
func (d *Discoverer) Entries() []Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.entries
}

// Replace makes this the list. It first waits until names that are new in it have an
// answer, for five seconds at most and while the context permits; those without one by
// then have no addresses until there is one. Names that stay keep their answers. Run must
// be running.
func (d *Discoverer) Replace(ctx context.Context, entries []Entry) {
	d.replacing.Lock()
	defer d.replacing.Unlock()
	names := d.expect(entries)
	patience := time.NewTimer(firstAnswer)
	defer patience.Stop()
	for _, n := range names {
		select {
		case <-n.answeredc:
			continue
		case <-patience.C:
		case <-ctx.Done():
		}
		break
	}
	d.mu.Lock()
	d.entries, d.byName = entries, names
	d.mu.Unlock()
	d.publish()
	wake(d.changed())
}

// expect has the new names in a list looked up beside the present ones, and returns those
// of the list.
func (d *Discoverer) expect(entries []Entry) map[string]*lookedUp {
	d.mu.Lock()
	defer d.mu.Unlock()
	names, all := map[string]*lookedUp{}, maps.Clone(d.byName)
	if all == nil {
		all = map[string]*lookedUp{}
	}
	for _, e := range entries {
		for _, e := range e.lookups() {
			key := e.Spec.Addr
			if all[key] == nil {
				all[key] = &lookedUp{entry: e, answeredc: make(chan struct{})}
			}
			names[key] = all[key]
		}
	}
	d.byName = all
	wake(d.changed())
	return names
}

func (d *Discoverer) changed() chan struct{} {
	d.once.Do(func() {
		d.changedc = make(chan struct{}, 1)
		d.resolver = NewResolver(d.Server)
	})
	return d.changedc
}

// Run looks the names up until the context is done, each on a schedule of its
// own, and returns when the last lookup has ended.
func (d *Discoverer) Run(ctx context.Context) error {
	return schedules[*lookedUp]{list: d.names, changedc: d.changed(), run: d.watch}.follow(ctx)
}

// names returns the names that are looked up.
func (d *Discoverer) names() []*lookedUp {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Values(d.byName))
}

func (d *Discoverer) watch(ctx context.Context, n *lookedUp, _ float64) {
	defer n.wg.Wait()
	for {
		d.lookUp(ctx, n)
		if !sleep(ctx, d.pause(n)) {
			return
		}
	}
}

// pause returns the time until the next lookup of a name.
func (d *Discoverer) pause(n *lookedUp) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	pause := d.Interval
	if !n.resolved {
		pause = min(pause, unresolvedInterval)
	}
	return pause - rand.N(pause/10+1)
}

// lookUp looks a name up once, and publishes what that found.
func (d *Discoverer) lookUp(ctx context.Context, n *lookedUp) {
	d.mu.Lock()
	last := n.answer
	d.mu.Unlock()
	answer, err := lookup{d.resolver, &n.wg, d.publish}.lookUp(ctx, n.entry, last)
	if err != nil && ctx.Err() != nil {
		return // cut off: the outcome means nothing
	}
	result := lookupResult(err)
	d.lookups[result].Add(1)
	d.mu.Lock()
	n.answer = answer
	n.resolved = n.resolved || err == nil
	d.logLocked(n, result, err)
	n.result = result
	d.mu.Unlock()
	if err == nil {
		d.publish()
	}
	if err == nil || result == LookupNotFound { // neither a failure nor silence is an answer
		n.answered()
	}
}

// publish makes the backends of the list the pool's. The first entry with an address
// takes precedence.
func (d *Discoverer) publish() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.entries == nil {
		return // a first answer came before the first list
	}
	var all []Spec
	seen := map[string]bool{}
	for _, e := range d.entries {
		check := d.foundLocked(e.check())[0].addrs
		for _, s := range d.foundLocked(e) {
			s.checkAddrs = check
			if !seen[s.Addr] {
				seen[s.Addr] = true
				all = append(all, s)
			}
		}
	}
	d.Pool.Replace(all)
}

// foundLocked returns the backends of an entry as far as its name has been looked up.
func (d *Discoverer) foundLocked(e Entry) []Spec {
	n := d.byName[e.Spec.Addr]
	if n == nil || !e.IsName() {
		return []Spec{e.Spec}
	}
	f := n.answer.backends(e, d.Own)
	d.logFoundLocked(n, f)
	return f.specs
}
