package l7

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// addSeeds gives the fuzzer every line that the wire samples send, and heads made
// of them.
func addSeeds(f *testing.F) {
	files, err := filepath.Glob("../testdata/http/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for part := range strings.SplitSeq(string(text), "request:\n") {
			var seed strings.Builder
			for line := range strings.SplitSeq(part, "\n") {
				if strings.HasPrefix(line, "backend:") || strings.HasPrefix(line, "refused:") {
					break
				}
				raw, _ := strconv.Unquote(`"` + strings.ReplaceAll(line, `"`, `\"`) + `"`)
				seed.WriteString(raw)
			}
			f.Add([]byte(seed.String()))
		}
	}
}

// FuzzHead checks the head check against net/http's parser: what both accept they
// must read alike. And what we accept, and write for a backend, net/http must
// accept from us and read alike, or at least not read as two requests.
func FuzzHead(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		line := 0
		n, err := headEnd(raw, &line, false)
		if n == 0 || err != nil {
			return
		}
		var r request
		if r.parse(raw[:n]) != nil {
			return
		}
		std, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
		if err != nil {
			return // it is stricter about percent signs in the target
		}
		compareHead(t, &r, std)
		compareWritten(t, &r, std)
	})
}

func compareHead(t *testing.T, r *request, std *http.Request) {
	t.Helper()
	if string(r.method) != std.Method || r.http10 != (std.ProtoMinor == 0) {
		t.Errorf("method %s, HTTP/1.0 %v; net/http: %s %s", r.method, r.http10, std.Method, std.Proto)
	}
	if string(r.host) != std.Host && (r.hostField || std.Host != "") {
		t.Errorf("host %q; net/http: %q", r.host, std.Host)
	}
	length := std.ContentLength
	if len(std.TransferEncoding) > 0 {
		length = chunked
	}
	if r.length != length {
		t.Errorf("length %d; net/http: %d %v", r.length, std.ContentLength, std.TransferEncoding)
	}
	if u, err := url.ParseRequestURI(std.RequestURI); err == nil && !strings.HasPrefix(std.RequestURI, "/") &&
		r.authority != nil && u.Host != string(r.authority) {
		t.Errorf("authority %q; net/http: %q", r.authority, u.Host)
	}
	count := map[string]int{}
	for i := range r.fields {
		count[http.CanonicalHeaderKey(string(r.fields[i].name))]++
	}
	for name, values := range std.Header {
		if count[name] != len(values) {
			t.Errorf("%d fields %s; net/http: %q", count[name], name, values)
		}
	}
}

// compareWritten checks that the head we send means to net/http what the head we
// got did.
func compareWritten(t *testing.T, r *request, std *http.Request) {
	t.Helper()
	c := &conn{srv: &Server{}, nc: addressed{}, req: *r}
	c.rd.conn = c.nc
	c.body.start(&c.rd, 0) // the head alone
	c.toBackend.start()
	if err := c.appendRequest(); err != nil && r.length != chunked {
		t.Fatalf("write: %v", err)
	}
	head, _, _ := bytes.Cut(c.toBackend.buf, []byte("\r\n\r\n"))
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

// addressed is a connection that has an address and nothing else.
type addressed struct{ net.Conn }

func (addressed) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// FuzzChunked checks the chunk reader against net/http's: what both accept they
// must decode alike, and end at the same byte.
func FuzzChunked(f *testing.F) {
	for _, seed := range []string{"5\r\nhello\r\n0\r\n\r\n", "1;a=\"b\"\r\nx\r\n0\r\nX: y\r\n\r\nGET /", "A ;b\r\n0123456789\r\n00\r\n\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		data := bytes.NewReader(raw)
		rd := &reader{conn: source{r: data}}
		var b body
		b.start(rd, chunked)
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
func readBody(b *body, data *bytes.Reader) (got []byte, rest int, ok bool) {
	for {
		piece, err := b.next()
		if err == io.EOF {
			return got, b.rd.buffered() + data.Len(), true
		}
		if err != nil {
			return nil, 0, false
		}
		got = append(got, piece...)
	}
}

// source is a connection that can only be read from.
type source struct {
	net.Conn
	r io.Reader
}

func (s source) Read(p []byte) (int, error) { return s.r.Read(p) }
