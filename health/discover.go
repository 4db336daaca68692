package health

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// lookupTimeout bounds one lookup, with all that a service's hosts take.
const lookupTimeout = 5 * time.Second

// unresolvedInterval is the time between two lookups of a name that has never
// been answered, unless Discoverer.Interval is shorter.
const unresolvedInterval = time.Second

// Discoverer keeps a pool's backends as a list has them, in which some entries are
// backends and others names whose addresses are. The last good answer for a name
// holds until there is another. Its exported fields are set before use.
type Discoverer struct {
	Pool *Pool
	// Resolver looks names up. If nil, it is the system's.
	Resolver *net.Resolver
	// Interval is the time between two lookups of a name; each pause is up to a tenth
	// shorter. It must be positive.
	Interval time.Duration
	// Logger receives a failure once, until the result is another. It may be nil.
	Logger *slog.Logger

	lookups [numLookupResults]atomic.Uint64

	once     sync.Once
	changedc chan struct{} // wakes Run when the list changes

	replacing sync.Mutex // held by Replace, so that lists come one after the other

	mu      sync.Mutex
	entries []Entry
	byName  map[string]*lookedUp // by the pattern's Addr
}

// lookedUp is a name that is looked up.
type lookedUp struct {
	entry Entry

	// Guarded by Discoverer.mu.
	answer   answer
	result   LookupResult // of the last lookup
	answered bool         // there was a good one
}

// Lookups returns the number of DNS lookups with this result.
func (d *Discoverer) Lookups(r LookupResult) uint64 { return d.lookups[r].Load() }

// Entries returns the list, which must not be changed.
func (d *Discoverer) Entries() []Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.entries
}

// Replace makes this the list. Names that are new in it are looked up first, for
// as long as the context and five seconds allow; those without an answer by then
// have no backends until there is one. Names that stay keep their answers.
func (d *Discoverer) Replace(ctx context.Context, entries []Entry) {
	d.replacing.Lock()
	defer d.replacing.Unlock()
	names, fresh := d.namesOf(entries)
	var wg sync.WaitGroup
	for _, n := range fresh {
		wg.Go(func() { d.lookUp(ctx, n) })
	}
	wg.Wait()
	d.mu.Lock()
	d.entries, d.byName = entries, names
	d.publishLocked()
	d.mu.Unlock()
	wake(d.changed())
}

// namesOf returns the names in a list, and those of them that are new.
func (d *Discoverer) namesOf(entries []Entry) (names map[string]*lookedUp, fresh []*lookedUp) {
	d.mu.Lock()
	defer d.mu.Unlock()
	names = map[string]*lookedUp{}
	for _, e := range entries {
		key := e.Spec.Addr
		if !e.FromDNS() || names[key] != nil {
			continue
		}
		n := d.byName[key]
		if n == nil {
			n = &lookedUp{entry: e}
			fresh = append(fresh, n)
		}
		names[key] = n
	}
	return names, fresh
}

func (d *Discoverer) changed() chan struct{} {
	d.once.Do(func() { d.changedc = make(chan struct{}, 1) })
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
	for sleep(ctx, d.pause(n)) {
		if d.lookUp(ctx, n) {
			d.mu.Lock()
			d.publishLocked()
			d.mu.Unlock()
		}
	}
}

// pause returns the time until the next lookup of a name.
func (d *Discoverer) pause(n *lookedUp) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	pause := d.Interval
	if !n.answered {
		pause = min(pause, unresolvedInterval)
	}
	return pause - rand.N(pause/10+1)
}

// lookUp looks a name up once, and reports whether there is a good answer.
func (d *Discoverer) lookUp(ctx context.Context, n *lookedUp) bool {
	resolver := d.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	bounded, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	d.mu.Lock()
	last := n.answer
	d.mu.Unlock()
	answer, err := n.entry.lookUp(bounded, resolver, last)
	if err != nil && context.Cause(ctx) == context.Canceled {
		return false // cut off: the outcome means nothing
	}
	d.lookups[lookupResult(err)].Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.logLocked(n, err)
	n.answer, n.result = answer, lookupResult(err)
	n.answered = n.answered || err == nil
	return err == nil
}

// logLocked logs that lookups fail, or no longer do, or fail for another reason.
func (d *Discoverer) logLocked(n *lookedUp, err error) {
	result := lookupResult(err)
	if d.Logger == nil || result == n.result {
		return
	}
	name := n.entry.Spec.Addr
	if err == nil {
		d.Logger.Info("lookup recovered", "name", name)
		return
	}
	if d.Resolver != nil {
		err = withoutServer(err)
	}
	d.Logger.Warn("lookup", "name", name, "result", result.String(), "kept", len(n.answer.backends(n.entry)), "err", err)
}

// publishLocked makes the backends of the list the pool's. The first entry with an
// address takes precedence.
func (d *Discoverer) publishLocked() {
	var all []Spec
	seen := map[string]bool{}
	for _, e := range d.entries {
		for _, b := range d.backendsLocked(e) {
			if !seen[b.Addr] {
				seen[b.Addr] = true
				all = append(all, b)
			}
		}
	}
	d.Pool.Replace(all)
}

func (d *Discoverer) backendsLocked(e Entry) []Spec {
	if e.FromDNS() {
		return d.byName[e.Spec.Addr].answer.backends(e)
	}
	return []Spec{e.Spec}
}
