// Package http1 reads and writes HTTP/1 messages: heads, fields, request targets,
// chunks and bodies. It checks and frames, and knows nothing of proxies.
//
//	rd := &http1.Reader{Conn: conn}
//	head, err := rd.RequestHead(64 << 10)
//	...
//	var req http1.Request
//	err = req.Parse(head) // an *http1.Error has the status to respond with
//	rd.Skip(len(head))
//	var body http1.Body
//	body.Start(rd, req.Length)
//	piece, err := body.Next() // io.EOF at the body's end
//
// # Vocabulary
//
// A head is a message's first line and header fields, up to and including the empty line.
// A field is one line of it; its Kind is its meaning for a program that forwards the
// message. A body is framed by a length, by chunks (Chunked) or by the end of the
// connection (UntilClose). A piece is a part of a body without its framing.
//
// # How strict
//
// What two parsers could read differently in a request is an error. A response is
// read more leniently, as its head is written anew for the client.
//
// Slices that the package returns point into the Reader's buffer; the doc comments
// state how long they are valid. Nothing here is safe for concurrent use.
package http1
