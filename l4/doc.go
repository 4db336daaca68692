// Package l4 moves bytes: it accepts TCP connections, dials a backend for each
// and relays the two until both have ended.
//
//	srv := &l4.Server{Pool: pool, Dialer: dialer, Retries: 2}
//	go srv.Serve(ln)
//	...
//	srv.Shutdown(ctx) // waits for live connections until ctx is done
//
// # Vocabulary
//
// A session is one client connection with what became of it. Its relay has two
// halves, one a direction. An ending is the one reason why a session ended.
//
// The package does not look at the bytes it moves, and knows no protocol.
package l4
