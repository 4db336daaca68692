package health

import (
	"slices"
	"sync/atomic"
	"time"
)

// Backend is one server that may take traffic. In a Pool there is one Backend for an
// address, and it stays the same when its options change: connections and other data kept
// for a backend can be keyed by the pointer. Its methods are safe for concurrent use.
type Backend struct {
	// Addr is Spec().Addr. It never changes.
	Addr string

	// Fields that a pick reads come first, and those that it writes last: with the rest
	// between them they are on different cache lines.
	id       uint64 // the hash of Addr
	spec     atomic.Pointer[Spec]
	status   atomic.Pointer[Status]
	mode     atomic.Uint32 // a Mode
	override atomic.Int32  // the operator's weight, or 0

	// dialled are the addresses that a dial tries: none if Addr has a host name without
	// an address so far.
	dialled atomic.Pointer[[]string]
	// reached is which of several the last good probe reached.
	reached atomic.Pointer[string]
	// suspectc wakes the checker; it holds one request at most.
	suspectc chan struct{}
	// habit is what its probes have found out (a habit), for Lenient.
	habit atomic.Uint32

	// Guarded by Pool.mu.
	listed    bool      // it is in the pool's list
	late      bool      // it joined when others took traffic
	recovered time.Time // when its weight began to grow; zero if it need not

	changes  atomic.Uint64 // of its state
	failures [numReasons]atomic.Uint64
	checks   [numCheckResults]atomic.Uint64
	total    atomic.Uint64
	active   atomic.Int64
	traffic  Traffic
	served   served
}

// Traffic counts the bytes between clients and a backend, as they move: Received
// those from clients, Sent those to clients.
type Traffic struct{ Received, Sent atomic.Int64 }

// NewBackend returns a backend of weight 1 at addr, a host:port or unix:/path.
func NewBackend(addr string) *Backend { return Spec{Addr: addr}.Backend() }

// Spec returns the backend's present entry in the list.
func (b *Backend) Spec() Spec { return *b.spec.Load() }

// setSpec makes this the backend's spec. Another weight in the list replaces the
// operator's.
func (b *Backend) setSpec(s Spec) {
	s.Weight = max(s.Weight, 1)
	addrs := s.dialled()
	b.dialled.Store(&addrs)
	if old := b.spec.Swap(&s); old != nil && old.Weight != s.Weight {
		b.override.Store(0)
	}
}

// resolved reports whether the backend has an address to dial.
func (b *Backend) resolved() bool { return len(*b.dialled.Load()) > 0 }

// Has reports whether addr, the remote address of a connection that Dial opened, is still
// one of the backend's: the addresses of a name may change.
func (b *Backend) Has(addr string) bool {
	s := b.spec.Load()
	return s.addrs == nil || slices.Contains(s.addrs, addr)
}

// String returns the backend's entry in a list, as Spec.String does.
func (b *Backend) String() string { return b.Spec().String() }

// Status returns what the latest probe found.
func (b *Backend) Status() Status { return *b.status.Load() }

// Active returns how many connections or requests the backend has now.
func (b *Backend) Active() int64 { return b.active.Load() }

// Total returns how many connections and requests the backend was given since it
// joined.
func (b *Backend) Total() uint64 { return b.total.Load() }

// Count counts a connection or request, once there is a connection for it.
func (b *Backend) Count() { b.total.Add(1) }

// Traffic returns the backend's byte counters, for the code that moves its bytes to add
// to.
func (b *Backend) Traffic() *Traffic { return &b.traffic }

// Failures returns how many dials of the backend failed for this reason.
func (b *Backend) Failures(r Reason) uint64 { return b.failures[r].Load() }

// Checks returns how many probes of the backend had this result.
func (b *Backend) Checks(r CheckResult) uint64 { return b.checks[r].Load() }

// Changes returns how often the backend came up or went down, without the first
// time that its state was found out.
func (b *Backend) Changes() uint64 { return b.changes.Load() }

// Suspect asks for a probe of the backend without waiting for its schedule. It
// never blocks, and many calls make one probe.
func (b *Backend) Suspect() { wake(b.suspectc) }

// Release ends what Turn.Next began. It must be called exactly once for each
// backend that Next returned.
func (b *Backend) Release() { b.active.Add(-1) }

// acquire takes a place, unless the backend is full.
func (b *Backend) acquire() bool {
	limit := b.spec.Load().MaxConns
	if limit == 0 {
		b.active.Add(1)
		return true
	}
	for n := b.active.Load(); n < limit; n = b.active.Load() {
		if b.active.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

// full reports whether the backend has all the connections that it may have.
func (b *Backend) full() bool {
	limit := b.spec.Load().MaxConns
	return limit > 0 && b.active.Load() >= limit
}
