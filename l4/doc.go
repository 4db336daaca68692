// Package l4 moves bytes: it accepts TCP connections, dials a backend for each
// and relays the two until both have ended.
//
//	srv := &l4.Server{Pool: pool, Retries: 2}
//	go srv.Serve(ln)
//	...
//	srv.Shutdown(ctx) // waits for open connections until ctx is done
//
// # Vocabulary
//
// A session is one client connection, from Accept until it is closed. It is served by
// fibers in one of the event loops of package loop, and has none while it is idle. Its
// relay moves bytes in two directions. An ending is the one reason why a connection
// ended. The sweep looks at all relays once in a while: no connection keeps a timer of
// its own.
//
// The way of a connection: Server.accept, session.connect, session.dial, relay.start,
// relay.copy, relay.end, session.finish.
//
// Other frontends share a Gate, Slots, a Listener, a Dialer and Relays with the
// Server; package l7 does.
//
// The package does not look at the bytes it moves, except for a PROXY header, and where a
// name decides which Server gets a connection for the TLS hello: see Server.RouteTo.
package l4
