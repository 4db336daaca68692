// Package admin shows what the program does, on an address of its own.
//
//	h := admin.Handler(admin.Source{Pool: pool, Draining: draining.Load})
//	http.Serve(ln, h)
//
// /healthz answers 200 while the process lives, /readyz only while it should be
// given traffic. The package does not listen, and changes nothing.
package admin
