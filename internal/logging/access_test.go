package logging

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fourseven/l4"
	"fourseven/l7"
)

func aConnection() l4.Record {
	return l4.Record{
		Client: netip.MustParseAddrPort("192.0.2.7:40312"), Backend: "10.0.0.1:5432", Reason: l4.EOF, Retries: 1,
		Received: 1834, Sent: 20981, Began: time.Date(2026, 11, 26, 7, 0, 0, 0, time.UTC),
		Dial: 312 * time.Microsecond, Whole: 1500*time.Millisecond + 17,
	}
}

func aRequest() *l7.Record {
	return &l7.Record{
		Client: netip.MustParseAddrPort("[2001:db8::7]:40312"), Backend: "10.0.0.1:80",
		Method: []byte("GET"), Target: []byte("/a?b=c"), Status: 200,
		Received: 81, Sent: 154, Began: time.Date(2026, 11, 26, 7, 0, 0, 0, time.UTC),
		Whole: 1234 * time.Microsecond,
	}
}

func withTLS() l4.Record {
	r := aConnection()
	r.TLS = l4.TLSInfo{Version: "1.3", ServerName: "db.example.com"}
	return r
}

func interrupted(r *l7.Record) *l7.Record {
	r.Reason = "backend_reset"
	return r
}

// TestAccessLogLines pins the lines that the README shows.
func TestAccessLogLines(t *testing.T) {
	ofUnix := aConnection()
	ofUnix.Client = netip.AddrPort{}
	for _, tt := range []struct {
		name, format, want string
		log                func(*AccessLog)
	}{
		{"connection as text", "text", `time=2026-11-26T07:00:01.500Z level=INFO msg=connection client=192.0.2.7:40312 backend=10.0.0.1:5432 ` +
			`reason=eof retries=1 received=1834 sent=20981 dial=312µs duration=1.5s`,
			func(a *AccessLog) { a.Connection(aConnection()) }},
		{"connection as JSON", "json", `{"time":"2026-11-26T07:00:01.500000017Z","level":"INFO","msg":"connection","client":"192.0.2.7:40312",` +
			`"backend":"10.0.0.1:5432","reason":"eof","retries":1,"received":1834,"sent":20981,"dial":0.000312,"duration":1.5}`,
			func(a *AccessLog) { a.Connection(aConnection()) }},
		{"connection of a Unix socket", "text", `time=2026-11-26T07:00:01.500Z level=INFO msg=connection client=unix backend=10.0.0.1:5432 ` +
			`reason=eof retries=1 received=1834 sent=20981 dial=312µs duration=1.5s`,
			func(a *AccessLog) { a.Connection(ofUnix) }},
		{"request as text", "text", `time=2026-11-26T07:00:00.001Z level=INFO msg=request client=[2001:db8::7]:40312 method=GET path="/a?b=c" status=200 ` +
			`backend=10.0.0.1:80 retries=0 received=81 sent=154 dial=0s duration=1.234ms`,
			func(a *AccessLog) { a.Request(aRequest()) }},
		{"request as JSON", "json", `{"time":"2026-11-26T07:00:00.001234Z","level":"INFO","msg":"request","client":"[2001:db8::7]:40312","method":"GET",` +
			`"path":"/a?b=c","status":200,"backend":"10.0.0.1:80","retries":0,"received":81,"sent":154,"dial":0,"duration":0.001234}`,
			func(a *AccessLog) { a.Request(aRequest()) }},
		{"broken request", "text", `time=2026-11-26T07:00:00.001Z level=INFO msg=request client=[2001:db8::7]:40312 method=GET path="/a?b=c" status=200 ` +
			`backend=10.0.0.1:80 retries=0 received=81 sent=154 dial=0s duration=1.234ms reason=backend_reset`,
			func(a *AccessLog) { a.Request(interrupted(aRequest())) }},
		{"connection with TLS", "text", `time=2026-11-26T07:00:01.500Z level=INFO msg=connection client=192.0.2.7:40312 backend=10.0.0.1:5432 ` +
			`reason=eof retries=1 received=1834 sent=20981 dial=312µs duration=1.5s tls=1.3 sni=db.example.com`,
			func(a *AccessLog) { a.Connection(withTLS()) }},
		{"request with TLS", "text", `time=2026-11-26T07:00:00.001Z level=INFO msg=request client=[2001:db8::7]:40312 method=GET path="/a?b=c" status=200 ` +
			`backend=10.0.0.1:80 retries=0 received=81 sent=154 dial=0s duration=1.234ms reason=backend_reset tls=1.2 sni="a b"`,
			func(a *AccessLog) {
				r := interrupted(aRequest())
				r.TLS = &l4.TLSInfo{Version: "1.2", ServerName: "a b"}
				a.Request(r)
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var buf bytes.Buffer
			tt.log(NewAccessLog(&buf, tt.format))
			if got := buf.String(); got != tt.want+"\n" {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestAccessLogHostileBytes pins that a client can neither forge a line or a field,
// nor make one that a reader of JSON refuses, and that no byte of it is lost.
func TestAccessLogHostileBytes(t *testing.T) {
	for _, tt := range []struct{ name, sent, text, path string }{
		{"line feed", "/\nlevel=ERROR msg=forged", `path="/\nlevel=ERROR msg=forged"`, "/\nlevel=ERROR msg=forged"},
		{"carriage return", "/\r\x00", `path="/\r\x00"`, "/\r\x00"},
		{"field", `/ status=500`, `path="/ status=500"`, "/ status=500"},
		{"quotes", `/","status":500,"x":"\`, `path="/\",\"status\":500,\"x\":\"\\"`, `/","status":500,"x":"\`},
		{"escapes of a terminal", "/\x1b[2J", `path="/\x1b[2J"`, "/\x1b[2J"},
		{"line separator", "/\u2028\u0085", `path="/\u2028\u0085"`, "/\u2028\u0085"},
		{"UTF-8", "/é", `path=/é`, "/é"},
		{"no UTF-8", "/\xff\xfe\xc3", `path=/%FF%FE%C3`, "/%FF%FE%C3"},
		{"UTF-8 and not", "/é\xc3", `path=/é%C3`, "/é%C3"},
		{"the replacement character itself", "/\ufffd", `path="/` + "\ufffd" + `"`, "/\ufffd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := aRequest()
			r.Target = []byte(tt.sent)
			r.Method = []byte(tt.sent)
			if got := wantOneLine(t, r, "text"); !strings.Contains(got, " "+tt.text+" status=200 ") {
				t.Errorf("got %s, want %s in it", got, tt.text)
			}
			var fields map[string]any
			if err := json.Unmarshal([]byte(wantOneLine(t, r, "json")), &fields); err != nil {
				t.Fatal(err)
			}
			if fields["path"] != tt.path || fields["method"] != tt.path || fields["status"] != 200.0 {
				t.Errorf("got %q", fields)
			}
		})
	}
}

// wantOneLine returns the line of a request, and wants no other.
func wantOneLine(t *testing.T, r *l7.Record, format string) string {
	t.Helper()
	var buf bytes.Buffer
	NewAccessLog(&buf, format).Request(r)
	line := buf.String()
	if i := strings.IndexAny(line, "\n\r\x00\x1b\u2028"); i != len(line)-1 {
		t.Errorf("%s: a break at %d of %q", format, i, line)
	}
	return line
}

// BenchmarkAccessLog measures what a line costs the connection or request that it
// is about. The figures to watch are time and allocations.
func BenchmarkAccessLog(b *testing.B) {
	for _, format := range []string{"text", "json"} {
		s := NewSink(io.Discard, format)
		defer s.Close()
		log, connection, request := NewAccessLog(s, format), aConnection(), aRequest()
		b.Run("connection/"+format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				log.Connection(connection)
			}
		})
		b.Run("request/"+format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				log.Request(request)
			}
		})
	}
}

// TestHandlerInJSON pins that a duration is a number of seconds, not of nanoseconds.
func TestHandlerInJSON(t *testing.T) {
	var buf bytes.Buffer
	slog.New(NewHandler(&buf, "json", slog.LevelInfo)).Info("draining", "timeout", 25*time.Second)
	if want := `"timeout":25}`; !strings.Contains(buf.String(), want) {
		t.Errorf("got %s, want %s", buf.String(), want)
	}
}
