//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
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
		log                func(*accessLog)
	}{
		{"connection as text", "text", `time=2026-11-26T07:00:01.500Z level=INFO msg=connection client=192.0.2.7:40312 backend=10.0.0.1:5432 ` +
			`reason=eof retries=1 received=1834 sent=20981 dial=312µs duration=1.5s`,
			func(a *accessLog) { a.connection(aConnection()) }},
		{"connection as JSON", "json", `{"time":"2026-11-26T07:00:01.500000017Z","level":"INFO","msg":"connection","client":"192.0.2.7:40312",` +
			`"backend":"10.0.0.1:5432","reason":"eof","retries":1,"received":1834,"sent":20981,"dial":312000,"duration":1500000000}`,
			func(a *accessLog) { a.connection(aConnection()) }},
		{"connection of a Unix socket", "text", `time=2026-11-26T07:00:01.500Z level=INFO msg=connection client=unix backend=10.0.0.1:5432 ` +
			`reason=eof retries=1 received=1834 sent=20981 dial=312µs duration=1.5s`,
			func(a *accessLog) { a.connection(ofUnix) }},
		{"request as text", "text", `time=2026-11-26T07:00:00.001Z level=INFO msg=request client=[2001:db8::7]:40312 method=GET path="/a?b=c" status=200 ` +
			`backend=10.0.0.1:80 retries=0 received=81 sent=154 dial=0s duration=1.234ms`,
			func(a *accessLog) { a.request(aRequest()) }},
		{"request as JSON", "json", `{"time":"2026-11-26T07:00:00.001234Z","level":"INFO","msg":"request","client":"[2001:db8::7]:40312","method":"GET",` +
			`"path":"/a?b=c","status":200,"backend":"10.0.0.1:80","retries":0,"received":81,"sent":154,"dial":0,"duration":1234000}`,
			func(a *accessLog) { a.request(aRequest()) }},
		{"broken request", "text", `time=2026-11-26T07:00:00.001Z level=INFO msg=request client=[2001:db8::7]:40312 method=GET path="/a?b=c" status=200 ` +
			`backend=10.0.0.1:80 retries=0 received=81 sent=154 dial=0s duration=1.234ms reason=backend_reset`,
			func(a *accessLog) { a.request(interrupted(aRequest())) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var buf bytes.Buffer
			tt.log(newAccessLog(&buf, tt.format))
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
	newAccessLog(&buf, format).request(r)
	line := buf.String()
	if i := strings.IndexAny(line, "\n\r\x00\x1b\u2028"); i != len(line)-1 {
		t.Errorf("%s: a break at %d of %q", format, i, line)
	}
	return line
}

// TestAccessLogOfTraffic pins that the lines of a running process, whatever its
// log's level, say what went over the wire and what became of it.
func TestAccessLogOfTraffic(t *testing.T) {
	t.Parallel()
	live, dead := startBackends(t, 1)[0], freeAddr(t)
	lb := ready(t, reexec(roleFourseven, quick("LB_BACKENDS="+dead+","+live.addr,
		"LB_HEALTH_CHECK=off", "LB_ACCESS_LOG=on", "LB_LOG_LEVEL=error")))
	const request = "POST /a?c=d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
	overL4, sent4 := converse(t, lb.l4, request) // the dead backend's turn
	overL7, sent7 := converse(t, lb.l7, request) // the live one's
	overL7b, sent7b := converse(t, lb.l7, request)
	refused, sentRefused := converse(t, lb.l7, "GET / HTTP/1.1\r\n\r\n")
	live.kill()
	failed, sentFailed := converse(t, lb.l7, request)
	wantResetAtOnce(t, lb.l4)
	lb.awaitSaid(6, "msg=", patience)
	const sizes = ` received=%d sent=%d dial=\S+s duration=\S+s`
	for _, want := range []string{
		fmt.Sprintf(`msg=connection client=%s backend=%s reason=eof retries=1`+sizes+"\n", overL4, live.addr, len(request), sent4),
		fmt.Sprintf(`msg=request client=%s method=POST path="/a\?c=d" status=200 backend=%s retries=0`+sizes+"\n", overL7, live.addr, len(request), sent7),
		fmt.Sprintf(`msg=request client=%s method=POST path="/a\?c=d" status=200 backend=%s retries=1`+sizes+"\n", overL7b, live.addr, len(request), sent7b),
		fmt.Sprintf(`msg=request client=%s method=GET path=/ status=400 backend="" retries=0`+sizes+` reason="`, refused, 18, sentRefused),
		fmt.Sprintf(`msg=request client=%s method=POST path="/a\?c=d" status=503 backend=\S+ retries=1`+sizes+" reason=connect_failed\n", failed, len(request), sentFailed),
		fmt.Sprintf(`msg=connection client=127.0.0.1:\d+ backend="" reason=connect_failed retries=1`+sizes+"\n", 0, 0),
	} {
		if !regexp.MustCompile(want).MatchString(lb.stdout.String()) {
			t.Errorf("no %s", want)
		}
	}
}

// converse sends bytes over a connection of its own and reads all that comes back.
// It returns its address and the length of what came.
func converse(t *testing.T, addr, sent string) (client net.Addr, received int) {
	t.Helper()
	conn := dial(t, addr)
	if _, err := io.WriteString(conn, sent); err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseWrite()
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return conn.LocalAddr(), len(answer)
}

// BenchmarkAccessLog measures what a line costs the connection or request that it
// is about. The figures to watch are time and allocations.
func BenchmarkAccessLog(b *testing.B) {
	for _, format := range []string{"text", "json"} {
		s := newSink(io.Discard, format)
		defer s.close()
		log, connection, request := newAccessLog(s, format), aConnection(), aRequest()
		b.Run("connection/"+format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				log.connection(connection)
			}
		})
		b.Run("request/"+format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				log.request(request)
			}
		})
	}
}
