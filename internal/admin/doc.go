// Package admin shows what the program does and steers it, on an address of its
// own.
//
//	counters := admin.NewCounters()
//	l4server.Ended = counters.L4Ended
//	...
//	h := admin.Handler(admin.Source{Services: []*admin.Service{{Pool: pool, Counters: counters, ...}}, ...})
//	http.Serve(ln, h)
//
// /healthz returns 200 while the process runs, /readyz only while it should be given
// traffic. /metrics is for Prometheus, /api/ for programs, / for people. What changes
// something, or profiles the process, is let in by the guard: with the token, or without
// one from this machine alone.
//
// The package does not listen, keeps no state but the counters, the latest events and
// five minutes of charts, and never touches the data path: everything is read when it is
// asked for, or every two seconds by the History.
package admin
