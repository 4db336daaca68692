package l7

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"

	"fourseven/l7/http1"
)

// FuzzForwardedResponse checks the heads that are sent to clients: whatever is accepted
// from a backend, the head made of it is regular, and net/http reads it as we do.
func FuzzForwardedResponse(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"\r\nHTTP/1.0 200\r\nX: a\r\n b\r\n\tc\r\n \r\nContent-Length:\r\n 02 , 2\r\n\r\n",
		"HTTP/1.1 200 OK\nTransfer-Encoding: chunked, chunked\nContent-Length: 7\ncontent-length : 7\n\n",
		"HTTP/1.1 204 No\r\nConnection: X, Date\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 426 No\r\nUpgrade: x\r\nTrailer: y\r\nConnection: close\r\nDate: x\r\n\r\n",
	} {
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, isHead bool) {
		rd := http1.Reader{Conn: bytes.NewReader(raw)}
		defer rd.Release()
		head, _, err := rd.ResponseHead(64 << 10)
		if err != nil {
			return
		}
		ex := &exchange{conn: &conn{srv: &Server{}, loop: &ofLoop{}}}
		if ex.resp.Parse(head) != nil || ex.resp.Status < 200 {
			return
		}
		ex.req.IsHead = isHead
		length := ex.resp.BodyLength(isHead)
		written := ex.appendResponse(nil, length)
		var again http1.Response
		if err := again.Parse(bytes.Clone(written)); err != nil || again.Irregular || again.Status != ex.resp.Status {
			t.Fatalf("our head reads as %v, %+v\n%q", err, again, written)
		}
		method := "GET"
		if isHead {
			method = "HEAD"
		}
		std, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(written)), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("net/http does not take our head: %v\n%q", err, written)
		}
		chunked := len(std.TransferEncoding) > 0
		if chunked != (length < 0) || !isHead && length > 0 && std.ContentLength != length {
			t.Errorf("length %d; net/http: %d %v\n%q", length, std.ContentLength, std.TransferEncoding, written)
		}
	})
}
