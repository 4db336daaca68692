// Package health decides which backends may take traffic, and which one is next.
//
//	pool := health.NewPool(health.NewBackend("127.0.0.1:8001"), health.NewBackend("127.0.0.1:8002"))
//	pool.OnTransition = (&health.Reporter{Pool: pool, Logger: logger}).Report
//	checker := &health.Checker{Pool: pool, Probe: health.TCPProbe(health.Via{}), ...}
//	checker.CheckAll(ctx) // decides the first state of every backend
//	go checker.Run(ctx)
//
//	turn := pool.Turn()
//	for b := turn.Next(); b != nil; b = turn.Next() {
//		conn, err := dialer.Dial(ctx, b)
//		if err != nil {
//			b.Release()
//			continue // another backend, without a second ticket
//		}
//		...
//		b.Release()
//	}
//
// The package's Example runs.
//
// # Vocabulary
//
// A backend is one server that may take traffic: one [Backend] for an address, for as
// long as the address is in use. Its [Spec] is what the list has for it (weight, limit,
// backup), an immutable value that a new list replaces. An [Entry] of a list is a
// backend, at an address or a host name, or it is a name whose addresses in DNS are
// backends. A [Discoverer] looks all names up, apart from probes and dials.
//
// The [Pool] holds the backends. The ring is the immutable layout of those that may
// take traffic now: a backend is in it once per unit of weight. A ticket is a number
// drawn from the one counter that all frontends share; it is the place in the ring at
// which a turn begins. The [Policy] chooses the backend of a [Turn] from the ring. A
// backup is in the ring only while no other backend may take traffic.
//
// A probe asks one backend whether it works, on the schedule of a [Checker]; its result
// decides whether the backend is up, down, or a standby, which works and wants no
// traffic. A mode is the state that the operator wants a backend to have, whatever its
// probes find. Each change is a [Transition], which a [Reporter] logs.
//
// # What it does not do
//
// The package does not move bytes and does not listen. It opens no connections but
// those of probes and lookups.
package health
