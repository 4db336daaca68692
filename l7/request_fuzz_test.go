package l7

import (
	"bufio"
	"bytes"
	"net/http"
	"testing"

	"fourseven/internal/loop"
	"fourseven/internal/testkit"
	"fourseven/l7/http1"
)

// FuzzForwardedHead checks the heads that are sent to backends: what we accept and
// net/http accepts from the client, net/http must accept from us and read alike.
func FuzzForwardedHead(f *testing.F) {
	for _, seed := range testkit.RequestSeeds(f, "../testdata/http") {
		f.Add(seed)
	}
	addressed := ofOneLoop(f, nil).connected(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		rd := http1.Reader{Conn: bytes.NewReader(raw)}
		head, err := rd.RequestHead(1 << 20)
		if err != nil {
			return
		}
		var r http1.Request
		if r.Parse(head) != nil {
			return
		}
		std, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			return // it is stricter about percent signs in the target
		}
		compareWritten(t, addressed, &r, std)
	})
}

// compareWritten checks that the head we send means to net/http what the head we
// got did. The client's connection is there for its address.
func compareWritten(t *testing.T, nc *loop.Conn, r *http1.Request, std *http.Request) {
	t.Helper()
	c := &conn{srv: &Server{}, nc: nc}
	c.rd.Conn = c.nc
	ex := &exchange{conn: c, req: *r}
	ex.body.Start(&c.rd, 0) // the head alone
	ex.toBackend.Start()
	if err := ex.appendRequest(); err != nil && r.Length != http1.Chunked {
		t.Fatalf("write: %v", err)
	}
	head, _, _ := bytes.Cut(ex.toBackend.Buf, []byte("\r\n\r\n"))
	again, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(append(head, "\r\n\r\n"...))))
	if err != nil {
		t.Fatalf("net/http took the client's head but not ours: %v\n%q", err, head)
	}
	if again.Method != std.Method || again.ContentLength != std.ContentLength ||
		len(again.TransferEncoding) != len(std.TransferEncoding) || again.ProtoMinor != 1 {
		t.Errorf("net/http reads our head as %v, the client's as %v", again, std)
	}
	if std.Host != "" && again.Host != std.Host {
		t.Errorf("net/http reads our Host as %q, the client's as %q", again.Host, std.Host)
	}
}
