// Package l7 forwards HTTP/1 requests to the backends of a health.Pool.
//
//	s := &l7.Server{Pool: pool, Retries: 2, HeaderTimeout: 10 * time.Second}
//	go s.Serve(ln)
//	...
//	err := s.Shutdown(ctx)
//
// It stands on l4, whose listener, gate, slots and dialler it uses, and whose relay
// carries a connection on after an upgrade. Package http1 reads and writes the
// messages.
//
// # Vocabulary
//
// A conn is a client's connection. It belongs to an event loop (package loop), and so
// does all that its requests need: nothing in it is locked. It carries requests one
// after the other; an exchange is one request, the response to it and all state in
// between, and is made anew for each request. Acquired is the backend of an exchange with
// the connection to it. An upstream is the pool of connections to one backend. An upload
// is the forwarding of a request body that had not all arrived with its head.
//
// An httpError is a response of the proxy's own. A request is refused if it is at
// fault itself (4xx, 501, 505), and fails if it could not be forwarded (502, 503,
// 504).
//
// The watch keeps the time-outs of a loop's connections. It looks once a pulse at those
// that have a request.
//
// Each loop has idle connections to backends of its own. One that it lacks is moved from
// another loop, if that has one.
//
// # What fasthttp does, and what we do
//
// fasthttp.Server serves a connection whenever there is a request on it (ServeConn), in
// a fiber that ends when the connection is idle: an idle one holds no fiber and no buffer.
// What reads the requests is ours, from the raw bytes on, because fasthttp's
// messages do not keep what a proxy has to pass on: the order of the fields,
// Set-Cookie twice, 1xx responses, the first bytes of a body before 8 KiB of it are
// there, and a transfer that ends broken where its source did. It also saves
// parsing each request twice. A head is checked once, by package http1, and its lines
// are copied from one side to the other.
//
// # Limits
//
// HTTP/2 and gRPC are not spoken here: they go through L4, untouched. TLS is package l4's
// (TLSServer): what reads and writes here does not see it. The package does not cache,
// compress, or rewrite paths.
package l7
