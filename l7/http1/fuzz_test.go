package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

// FuzzHead checks Parse against net/http's parser: what both accept they must read
// alike.
func FuzzHead(f *testing.F) {
	for _, seed := range testkit.RequestSeeds(f, "../../testdata/http") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		line := 0
		n, err := headEnd(raw, &line, false)
		if n == 0 || err != nil {
			return
		}
		var r Request
		if r.Parse(raw[:n]) != nil {
			return
		}
		std, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return // it is stricter about percent signs in the target
		}
		compareHead(t, &r, std)
	})
}

func compareHead(t *testing.T, r *Request, std *http.Request) {
	t.Helper()
	if string(r.Method) != std.Method || r.HTTP10 != (std.ProtoMinor == 0) {
		t.Errorf("method %s, HTTP/1.0 %v; net/http: %s %s", r.Method, r.HTTP10, std.Method, std.Proto)
	}
	if std.Host != string(r.Host) && std.Host != unescaped(r.Host) && (r.HasHost || std.Host != "") {
		t.Errorf("host %q; net/http: %q", r.Host, std.Host)
	}
	length := std.ContentLength
	if len(std.TransferEncoding) > 0 {
		length = Chunked
	}
	if r.Length != length {
		t.Errorf("length %d; net/http: %d %v", r.Length, std.ContentLength, std.TransferEncoding)
	}
	if u, err := url.ParseRequestURI(std.RequestURI); err == nil && !strings.HasPrefix(std.RequestURI, "/") &&
		r.Authority != nil && u.Host != unescaped(r.Authority) {
		t.Errorf("authority %q; net/http: %q", r.Authority, u.Host)
	}
	count := map[string]int{}
	for i := range r.Fields {
		count[http.CanonicalHeaderKey(string(r.Fields[i].Name))]++
	}
	for name, values := range std.Header {
		if count[name] != len(values) {
			t.Errorf("%d fields %s; net/http: %q", count[name], name, values)
		}
	}
}

// unescaped returns the authority of a target as net/http reads it: with bytes from 0x80
// for their percent-encoding (RFC 3986 section 3.2.2). It is passed on as it came.
func unescaped(authority []byte) string {
	u, err := url.Parse("http://" + string(authority))
	if err != nil {
		return string(authority)
	}
	return u.Host
}

// FuzzChunked checks the chunk reader against net/http's: what both accept they
// must decode alike, and end at the same byte.
func FuzzChunked(f *testing.F) {
	for _, seed := range []string{"5\r\nhello\r\n0\r\n\r\n", "1;a=\"b\"\r\nx\r\n0\r\nX: y\r\n\r\nGET /", "A ;b\r\n0123456789\r\n00\r\n\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		data := bytes.NewReader(raw)
		rd := &Reader{Conn: data}
		var b Body
		b.Start(rd, Chunked)
		got, rest, ok := readBody(&b, data)
		if !ok {
			return
		}
		head := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		br := bufio.NewReader(io.MultiReader(strings.NewReader(head), bytes.NewReader(raw)))
		std, err := http.ReadRequest(br)
		if err != nil {
			t.Fatal(err)
		}
		want, err := io.ReadAll(std.Body)
		if err != nil {
			return
		}
		stdRest, _ := io.ReadAll(br)
		if !bytes.Equal(got, want) || rest != len(stdRest) {
			t.Errorf("decoded %q with %d bytes left; net/http: %q with %d", got, rest, want, len(stdRest))
		}
	})
}

// readBody returns the decoded body, and how many bytes are behind it.
func readBody(b *Body, data *bytes.Reader) (got []byte, rest int, ok bool) {
	for {
		piece, err := b.Next()
		if err == io.EOF {
			return got, b.rd.Buffered() + data.Len(), true
		}
		if err != nil {
			return nil, 0, false
		}
		got = append(got, piece...)
	}
}
