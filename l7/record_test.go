package l7_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
	"fourseven/l4"
	"fourseven/l7"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// records are what a Server reports, in words.
type records struct {
	served, ended chan string
}

// recorded makes the server report to the records.
func recorded(r *records, then func(*l7.Server)) func(*l7.Server) {
	r.served, r.ended = make(chan string, 10), make(chan string, 10)
	return func(s *l7.Server) {
		s.Served = func(rec *l7.Record) {
			r.served <- fmt.Sprintf("%s %s %d %q retries=%d in=%d out=%d backend=%v",
				rec.Method, rec.Target, rec.Status, cmp.Or(rec.Refusal, string(rec.Reason)), rec.Retries, rec.Received, rec.Sent, rec.Backend != "")
		}
		s.Ended = func(c l7.Closing) { r.ended <- string(c.Reason) }
		if then != nil {
			then(s)
		}
	}
}

// next returns what is reported next.
func next(t *testing.T, c <-chan string) string {
	t.Helper()
	select {
	case s := <-c:
		return s
	case <-time.After(patience):
		t.Fatal("nothing was reported")
		return ""
	}
}

// TestRecord pins what is reported of each way a request can go, and of its
// connection: exact bytes, one reason.
func TestRecord(t *testing.T) {
	answering := func(t *testing.T) []string { return []string{keptBackend(t)} }
	answers := func(raw string) func(*testing.T) []string {
		return func(t *testing.T) []string { return []string{rawBackend(t, raw)} }
	}
	silent := func(t *testing.T) []string {
		return []string{scriptedBackend(t, func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) })}
	}
	const post = "POST /p?q=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
	const half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
	for _, tt := range []struct {
		name      string
		backends  func(*testing.T) []string
		configure func(*l7.Server)
		request   string
		leaves    bool // the client does, without reading
		served    string
		ended     string
	}{
		{name: "whole", backends: answering, request: get,
			served: fmt.Sprintf(`GET / 200 "" retries=0 in=%d out=%d backend=true`, len(get), len(datedPlainAnswer)), ended: "eof"},
		{name: "with a body", backends: answering, request: post,
			served: fmt.Sprintf(`POST /p?q=1 200 "" retries=0 in=%d out=%d backend=true`, len(post), len(datedPlainAnswer)), ended: "eof"},
		{name: "another backend tried", request: get,
			backends: func(t *testing.T) []string { return append([]string{testkit.ReserveAddr(t)}, answering(t)...) },
			served:   fmt.Sprintf(`GET / 200 "" retries=1 in=%d out=%d backend=true`, len(get), len(datedPlainAnswer)), ended: "eof"},
		{name: "none reached", backends: func(t *testing.T) []string { return []string{testkit.ReserveAddr(t)} }, request: get,
			served: `GET / 503 "connect_failed" retries=0`, ended: "eof"},
		{name: "none up", backends: func(*testing.T) []string { return nil }, request: get,
			served: `GET / 503 "no_backend" retries=0`, ended: "eof"},
		{name: "refused", backends: answering, request: "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
			served: `GET / 400 "`, ended: "eof"},
		{name: "not a request", backends: answering, request: "\x16\x03\x01\r\n\r\n",
			served: `  400 "`, ended: "eof"},
		{name: "malformed answer", backends: answers("nonsense\r\n\r\n"), request: get,
			served: `GET / 502 "bad_response" retries=0`, ended: "eof"},
		{name: "answer broken off", backends: answers(half), request: get,
			served: fmt.Sprintf(`GET / 200 "backend_reset" retries=0 in=%d out=%d backend=true`, len(get), len(half)+len(dateLine)), ended: "backend_reset"},
		{name: "slow backend", backends: silent, request: get,
			configure: func(s *l7.Server) { s.BackendTimeout = 100 * time.Millisecond },
			served:    `GET / 504 "idle" retries=0`, ended: "idle"},
		{name: "client left", backends: silent, request: get, leaves: true,
			served: fmt.Sprintf(`GET / 499 "client_reset" retries=0 in=%d out=`, len(get)), ended: "client_reset"},
		{name: "silent client", backends: answering, leaves: false,
			configure: func(s *l7.Server) { s.HeaderTimeout = 100 * time.Millisecond }, ended: "idle"},
		{name: "turned away", backends: answering, request: "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + get,
			configure: func(s *l7.Server) { // by its header: without one the client's dial may fail
				s.Gate = &l4.Gate{ProxyFrom: l4.Peers{Networks: loopback}, Deny: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}
			}, ended: "denied"},
		{name: "without its PROXY header", backends: answering, request: get,
			configure: func(s *l7.Server) { s.Gate = &l4.Gate{ProxyFrom: l4.Peers{Networks: loopback}} }, ended: "proxy_header"},
		{name: "upgraded", request: upgrade + "early", backends: func(t *testing.T) []string { return []string{scriptedBackend(t, switching)} },
			served: fmt.Sprintf(`GET /chat 101 "" retries=0 in=%d`, len(upgrade)+len("early")), ended: "eof"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r records
			p := startProxy(t, recorded(&r, tt.configure), tt.backends(t)...)
			nc := p.dial(t)
			_, _ = io.WriteString(nc, tt.request)
			switch {
			case tt.leaves:
				_ = nc.SetLinger(0)
				testkit.Eventually(t, "the request is at the backend", func() bool { return p.Active() == 1 })
				_ = nc.Close()
			default:
				if tt.request != "" {
					_ = nc.CloseWrite()
				}
				_, _ = io.Copy(io.Discard, nc)
				_ = nc.Close()
			}
			if got := next(t, r.ended); got != tt.ended {
				t.Errorf("the connection ended by %s, want %s", got, tt.ended)
			}
			if tt.served == "" {
				if len(r.served) > 0 {
					t.Errorf("reported %s, want nothing", next(t, r.served))
				}
			} else if got := next(t, r.served); !strings.HasPrefix(got, tt.served) {
				t.Errorf("reported %s\nwant %s", got, tt.served)
			}
		})
	}
}

// hastyBackend answers as soon as it has a request's head, and takes in the rest.
// Without an answer it closes at once.
func hastyBackend(t *testing.T, answer string) string {
	return scriptedBackend(t, func(nc net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(nc))
		_, _ = io.WriteString(nc, answer)
		if answer != "" {
			_, _ = io.Copy(io.Discard, nc)
		}
	})
}

// TestRecordOfCutUpload pins that an upload which we end, because its backend has
// answered or is gone, is not put down to the client: who is still there, and
// goes on sending while it reads the answer.
func TestRecordOfCutUpload(t *testing.T) {
	for _, tt := range []struct{ name, answer, served, ended string }{
		{"early answer", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", `POST / 403 "" `, "eof"},
		{"no answer", "", `POST / 502 "backend_reset" `, "eof"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r records
			p := startProxy(t, recorded(&r, nil), hastyBackend(t, tt.answer))
			nc := p.dial(t)
			_, _ = io.WriteString(nc, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
			if got := next(t, r.served); !strings.HasPrefix(got, tt.served) {
				t.Errorf("reported %s, want %s", got, tt.served)
			}
			_, sending := io.WriteString(nc, "1\r\nx\r\n") // to one that is closed: it answers with a reset
			_, reading := io.Copy(io.Discard, nc)
			_, after := io.WriteString(nc, "1\r\nx\r\n")
			if err := errors.Join(sending, reading, after); err != nil {
				t.Errorf("the client did not get the answer in peace: %v", err)
			}
			_ = nc.Close()
			if got := next(t, r.ended); got != tt.ended {
				t.Errorf("the connection ended by %s, want %s", got, tt.ended)
			}
		})
	}
}

// TestRecordCutUpload pins that who waits with a body that nobody wants any more is
// not reported to have left.
func TestRecordCutUpload(t *testing.T) {
	for _, tt := range []struct{ name, request, answer, served string }{
		{"answered before", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
			"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", `POST / 401 ""`},
		{"broken off", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello", "", `POST / 502 "backend_reset"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r records
			p := startProxy(t, recorded(&r, nil), hastyBackend(t, tt.answer))
			nc := p.dial(t)
			_, _ = io.WriteString(nc, tt.request)
			_, _ = io.Copy(io.Discard, nc)
			_ = nc.Close()
			if got := next(t, r.ended); got != "eof" {
				t.Errorf("the connection ended by %s, want eof", got)
			}
			if got := next(t, r.served); !strings.HasPrefix(got, tt.served) {
				t.Errorf("reported %s, want %s", got, tt.served)
			}
		})
	}
}

// TestRefusedAfterAnother pins that a head which cannot be read is recorded and
// answered by itself: neither the body of the request before it on the connection
// counts, nor whether that was a HEAD.
func TestRefusedAfterAnother(t *testing.T) {
	const head, post = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
	long := "GET /" + strings.Repeat("a", 2000)
	for _, tt := range []struct {
		name, first, second, status string
	}{
		{"malformed after a body", post, "nonsense\r\n\r\n", "400"},
		{"too long after a HEAD", head, long, "414"},
		{"no request line after a HEAD", head, "\x16\x03\x01", "400"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r records
			p := startProxy(t, recorded(&r, func(s *l7.Server) { s.MaxHeader = 1000 }), scriptedBackend(t, func(nc net.Conn) {
				br := bufio.NewReader(nc)
				req, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = io.WriteString(nc, "HTTP/1.1 204 No Content\r\n\r\n")
				_, _ = io.Copy(io.Discard, nc)
			}))
			nc := p.dial(t)
			br := bufio.NewReader(nc)
			_, _ = io.WriteString(nc, tt.first)
			readResponse(t, br, tt.first)
			next(t, r.served)
			_, _ = io.WriteString(nc, tt.second)
			_ = nc.CloseWrite()
			resp, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(resp.Body); err != nil || len(body) == 0 || fmt.Sprint(resp.StatusCode) != tt.status {
				t.Errorf("%d with body %q, %v, want %s with a whole body", resp.StatusCode, body, err, tt.status)
			}
			got := next(t, r.served)
			if want := fmt.Sprintf("in=%d ", len(tt.second)); !strings.Contains(got, " "+tt.status+" ") || !strings.Contains(got, want) {
				t.Errorf("reported %s, want %s and %s", got, tt.status, want)
			}
		})
	}
}

// TestRecordEndsWithTheAnswer pins that a refused request is over when it is
// answered, however long its client stays: the server waits at least half a second
// more for the client to close the connection.
func TestRecordEndsWithTheAnswer(t *testing.T) {
	servedc, endedc := make(chan time.Time, 1), make(chan time.Time, 1)
	p := startProxy(t, func(s *l7.Server) {
		s.Served = func(*l7.Record) { servedc <- time.Now() }
		s.Ended = func(l7.Closing) { endedc <- time.Now() }
	}, keptBackend(t))
	nc := p.dial(t)
	_, _ = io.WriteString(nc, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
	_, _ = io.Copy(io.Discard, nc) // and nothing is closed
	ended := <-endedc
	select {
	case served := <-servedc:
		if d := ended.Sub(served); d < 500*time.Millisecond {
			t.Errorf("the request was reported %s before the end of the connection", d)
		}
	default:
		t.Error("nothing was reported")
	}
}

// TestRecordOfPanic pins that a request which panics is recorded with the 500 that
// its client got.
func TestRecordOfPanic(t *testing.T) {
	var r records
	dialer := &l4.Dialer{Timeout: patience, Dialled: func(time.Duration) { panic("boom") }}
	p := startProxy(t, recorded(&r, func(s *l7.Server) { s.Dialer = dialer }), keptBackend(t))
	nc := p.dial(t)
	_, _ = io.WriteString(nc, get)
	if resp, _ := readResponse(t, bufio.NewReader(nc), get); resp.StatusCode != 500 {
		t.Errorf("answered %d", resp.StatusCode)
	}
	if got := next(t, r.served); !strings.HasPrefix(got, "GET / 500 ") {
		t.Errorf("reported %s", got)
	}
}

// TestTurnedAwayByDrain pins that a client whose PROXY header a shutdown has not
// waited for does not count as one that sent none.
func TestTurnedAwayByDrain(t *testing.T) {
	var r records
	p := startProxy(t, recorded(&r, func(s *l7.Server) { s.Gate = &l4.Gate{ProxyFrom: l4.Peers{Networks: loopback}} }), keptBackend(t))
	p.dial(t)
	testkit.Eventually(t, "the connection is served", func() bool { return p.Stats().Active == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = p.Shutdown(ctx)
	if got := next(t, r.ended); got != "drain" {
		t.Errorf("the connection ended by %s, want drain", got)
	}
}

// TestStatsAreExact pins that all bytes are counted, once, for the frontend and
// for the backend, on kept connections too.
func TestStatsAreExact(t *testing.T) {
	var r records
	p := startProxy(t, recorded(&r, nil), keptBackend(t))
	nc := p.dial(t)
	br := bufio.NewReader(nc)
	for range 3 {
		_, _ = io.WriteString(nc, get)
		readResponse(t, br, get)
	}
	_ = nc.Close()
	next(t, r.ended)
	s := p.Stats()
	in, out := int64(3*len(get)), int64(3*len(datedPlainAnswer))
	if s.Connections != 1 || s.Received != in || s.Sent != out || s.Retries != 0 {
		t.Errorf("%+v, want 1 connection, %d bytes in and %d out", s, in, out)
	}
	b := p.Pool.Backends()[0]
	if b.Total() != 3 || b.Traffic().Sent.Load() != int64(3*len(plainAnswer)) || b.Traffic().Received.Load() <= in {
		t.Errorf("backend: %d requests, %d bytes in, %d out", b.Total(), b.Traffic().Received.Load(), b.Traffic().Sent.Load())
	}
}

// keptBackend answers each request on the same connection.
func keptBackend(t *testing.T) string {
	return scriptedBackend(t, func(nc net.Conn) { answerAll(nc, plainAnswer) })
}
