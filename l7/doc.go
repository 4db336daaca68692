// Package l7 forwards HTTP/1 requests to the backends of a health.Pool.
//
//	s := &l7.Server{Pool: pool, Dialer: dialer, Retries: 2, HeaderTimeout: 10 * time.Second}
//	go s.Serve(ln)
//	...
//	err := s.Shutdown(ctx)
//
// # Vocabulary
//
// A client's connection carries requests one after the other; an exchange is one
// request, the backend's answer to it, and all that goes on between. A head is a
// message's first line and header fields, up to the empty line. An upload is a
// request body that was not all there with its head. Refused is what the client
// got wrong (4xx); failed is what went wrong behind us (5xx). The watch keeps the
// time-outs of all connections, in pulses.
//
// # What fasthttp does, and what we do
//
// fasthttp.Server accepts the connections and runs its workers on them. The loop
// over a connection's requests is ours, from the raw bytes on, because a proxy
// owes its peers what fasthttp's messages do not keep: the order of the fields
// and Set-Cookie twice, 1xx responses passed on, bytes of a body before 8 KiB of
// them are there, a transfer that ends broken where its source did. It also spares
// each request a second parse. So a head is checked once, in one place (package
// http1), and its lines are copied from one side to the other.
//
// # Limits
//
// HTTP/2 and gRPC are not spoken here: they go through L4, untouched. The package
// does not speak TLS, cache, compress, or rewrite paths.
package l7
