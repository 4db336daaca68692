// Package health knows which backends may take traffic, and whose turn it is.
//
//	a, _ := health.ParseBackend("127.0.0.1:8001")
//	b, _ := health.ParseBackend("127.0.0.1:8002;weight=3")
//	pool := health.NewPool(a, b)
//	checker := &health.Checker{Pool: pool, Probe: health.TCPProbe(health.Via{})}
//	checker.CheckAll(ctx) // decides the first state of every backend
//	go checker.Run(ctx)
//
//	turn := pool.Turn()
//	for be := turn.Next(); be != nil; be = turn.Next() {
//		conn, err := dialer.Dial(ctx, be)
//		if err != nil {
//			be.Release()
//			continue // another backend, without a second ticket
//		}
//		...
//		be.Release()
//	}
//
// # Vocabulary
//
// A backend is one server that may take traffic. The pool holds them all. The
// ring is the immutable layout of those that may take traffic now: a backend
// stands in it once per unit of weight. A ticket is a number drawn from the one
// counter that all frontends share; it says where in the ring a turn begins. The
// policy says which of the ring's backends a turn takes. A probe asks one backend whether it works.
//
// The package does not move bytes and does not listen.
package health
