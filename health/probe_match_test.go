package health

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// Pins what a tcp answer is that Match is held against, and what an error shows of it.
func TestExchangeMatch(t *testing.T) {
	master := `^\*\d+\r\n\$6\r\nmaster`
	for _, tt := range []struct {
		name, match string
		serve       func(net.Conn)
		err         string
	}{
		{"whole", master, says("*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"), ""},
		{"in pieces", master, says("*3\r\n", "$6\r", "\nmas", "ter"), ""},
		{"after another answer", `^\+OK\r\n\*\d+\r\n\$6\r\nmaster`, says("+OK\r\n", "*3\r\n$6\r\nmaster\r\n"), ""},
		{"while the stream goes on", "master", keepsOpen("*3\r\n$6\r\nmaster\r\n"), ""},
		{"not at its beginning", "^master", says("the master"), `expected a match of "^master", got "the master" and the end`},
		{"another role", master, says("*5\r\n$5\r\nslave\r\n"), `got "*5\r\n$5\r\nslave\r\n" and the end`},
		{"another role, and a pause", master, keepsOpen("*5\r\n$5\r\nslave\r\n"), `got "*5\r\n$5\r\nslave\r\n"`},
		{"cut and escaped", "^OK", says(strings.Repeat("\x00\xff", 60)), `got "` + strings.Repeat(`\x00\xff`, 50) + `"... and the end`},
		{"nothing", ".", says(), `got "" and the end`},
		{"too much", "^x{3}$", func(c net.Conn) { _, _ = io.Copy(c, endlessly('x')) }, `expected a match of "^x{3}$", got "xxx`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
			defer cancel()
			err := Exchange{Send: []byte("ROLE\r\n"), Match: regexp.MustCompile(tt.match)}.Probe(ctx, serveTCP(t, tt.serve))
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if err != nil && len(err.Error()) > 600 {
				t.Errorf("%d bytes of error", len(err.Error()))
			}
		})
	}
}

// keepsOpen sends the text and waits for the other side to close.
func keepsOpen(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, text)
		_, _ = io.Copy(io.Discard, conn)
	}
}

type endlessly byte

func (e endlessly) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// Pins that a backend which never answers is bounded by the probe's own time, and that a
// probe is done with a wrong answer long before.
func TestExchangeMatchTimes(t *testing.T) {
	match := regexp.MustCompile("^master")
	silent := serveTCP(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	c := &Checker{Probe: Exchange{Match: match}.Probe, Timeout: 2 * answerPause}
	if r := c.probe(t.Context(), silent); r.err == nil || !strings.Contains(r.err.Error(), "no answer within 1s") {
		t.Errorf("silence: %v", r.err)
	}
	slave := serveTCP(t, keepsOpen("slave"))
	c.Timeout = time.Hour
	if r := c.probe(t.Context(), slave); r.err == nil || strings.Contains(r.err.Error(), "no answer") {
		t.Errorf("another answer: %v", r.err)
	}
}

// Pins that a probe's error has neither what was sent, nor what was expected where that
// must not be shown.
func TestExchangeHidesSecrets(t *testing.T) {
	b := serveTCP(t, says("-ERR\r\n"))
	e := Exchange{Send: []byte("AUTH hunter2\r\n"), Expect: []byte("+secret"), Hidden: true}
	if err := e.Probe(t.Context(), b); err == nil || err.Error() != `expected LB_HEALTH_EXPECT, got "-ERR\r\n"` {
		t.Errorf("error %v", err)
	}
	gone, _ := net.Pipe()
	_ = gone.Close()
	if err := e.expect(gone); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

// Pins that a probe's error does not have what was sent, if that must not be shown, where
// the backend repeats it in its answer: a Redis that knows no AUTH, a page that shows the
// request.
func TestProbeHidesRepeatedSecrets(t *testing.T) {
	repeats := serveTCP(t, func(conn net.Conn) {
		got := make([]byte, len("AUTH hunter2\r\n"))
		_, _ = io.ReadFull(conn, got)
		_, _ = fmt.Fprintf(conn, "unknown %s", got)
	})
	page := backendOf(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "hello %s", r.Header.Get("X-Auth"))
	})
	send := []byte("AUTH hunter2\r\n")
	match := regexp.MustCompile("^fine")
	for _, tt := range []struct {
		name, want string
		err        error
	}{
		{"match", `got "unknown (secret) (secret)\r\n"`, Exchange{Send: send, SendHidden: true, Match: match}.Probe(t.Context(), repeats)},
		{"cut off", `got "unknown (secret) (secret)"`, Exchange{Send: send, SendHidden: true, Expect: []byte("unknown AUTH hunter3")}.Probe(t.Context(), repeats)},
		{"not from a file", `got "unknown AUTH hunter2\r\n"`, Exchange{Send: send, Match: match}.Probe(t.Context(), repeats)},
		{"http", `got "hello (secret) (secret)"`, HTTP{
			Path: "/", Accepts: only200, Fields: "X-Auth: Bearer hunter2\r\n", Hidden: true, Match: match,
		}.Probe(t.Context(), page)},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", tt.name, tt.err, tt.want)
		}
	}
}

// Pins the request of an http probe, and which responses pass.
func TestHTTPProbeRequest(t *testing.T) {
	for _, tt := range []struct {
		name  string
		probe HTTP
		want  string // of the request's head
	}{
		{"plain", HTTP{Path: "/h"}, "GET /h HTTP/1.1\r\nHost: ADDR\r\nUser-Agent: fourseven-health-check\r\nConnection: close\r\n\r\n"},
		{"HEAD", HTTP{Method: "HEAD", Path: "/h"}, "HEAD /h HTTP/1.1\r\nHost: ADDR\r\nUser-Agent: fourseven-health-check\r\nConnection: close\r\n\r\n"},
		{"OPTIONS", HTTP{Method: "OPTIONS", Path: "/h"}, "OPTIONS /h HTTP/1.1\r\nHost: ADDR\r\nUser-Agent: fourseven-health-check\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
		{"host and fields", HTTP{Path: "/h", Host: "api.example:8443", Fields: "X-A: 1\r\nuser-agent: me\r\n"},
			"GET /h HTTP/1.1\r\nHost: api.example:8443\r\nX-A: 1\r\nuser-agent: me\r\nConnection: close\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gotc := make(chan string, 1)
			b := serveTCP(t, func(conn net.Conn) {
				got := make([]byte, 4<<10)
				n, _ := conn.Read(got)
				gotc <- string(got[:n])
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n") // to HEAD: no body follows
			})
			tt.probe.Accepts = only200
			if err := tt.probe.Probe(t.Context(), b); err != nil {
				t.Error(err)
			}
			if got, want := <-gotc, strings.ReplaceAll(tt.want, "ADDR", b.Addr); got != want {
				t.Errorf("asked\n%q, want\n%q", got, want)
			}
		})
	}
}

func TestHTTPProbeAnswers(t *testing.T) {
	long := strings.Repeat("x", maxMatched)
	for _, tt := range []struct {
		name   string
		match  string
		status int
		body   string
		want   string // the error
	}{
		{"status", "", 200, "", ""},
		{"standby", "", 503, "replica", "GET /r: status 503: standby"},
		{"another status", "", 500, "", "GET /r: status 500"},
		{"body", `"role": *"primary"`, 200, `{"role": "primary"}`, ""},
		{"another body", `"primary"`, 200, `{"role": "replica"}`, `GET /r: status 200: expected a match of "\"primary\"", got "{\"role\": \"replica\"}"`},
		{"the first 64 KiB", "x$", 200, long + "y", ""},
		{"not more", "y", 200, long + "y", "got \"xxx"},
		{"empty body", "^$", 200, "", ""},
		{"the status comes first", "primary", 500, "primary", "GET /r: status 500"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := backendOf(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			h := HTTP{Path: "/r", Accepts: only200, Standby: func(s int) bool { return s == 503 }}
			if tt.match != "" {
				h.Match = regexp.MustCompile(tt.match)
			}
			err := h.Probe(t.Context(), b)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if checkResult(err) == CheckStandby != (tt.name == "standby") {
				t.Errorf("result %s", checkResult(err))
			}
		})
	}
}

// Pins that a body that breaks off does not pass, though what came of it matches.
func TestHTTPProbeBodyBrokenOff(t *testing.T) {
	b := serveHTTP(t, "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nprimary")
	err := HTTP{Path: "/", Accepts: only200, Match: regexp.MustCompile("primary")}.Probe(t.Context(), b)
	if want := "GET /: read the body: unexpected EOF"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

// Pins where a backend with a check of its own is probed, with what Host and with no
// PROXY header but one that was asked for.
func TestCheck(t *testing.T) {
	var got string
	agent := serveTCP(t, func(conn net.Conn) {
		buf := make([]byte, 4<<10)
		n, _ := conn.Read(buf)
		got = string(buf[:n])
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	port := netPort(t, agent.Addr)
	for _, tt := range []struct {
		entry string
		via   Via
		begin string
	}{
		{fmt.Sprintf("127.0.0.1:1;check=%d", port), Via{}, "GET"},
		{fmt.Sprintf("127.0.0.1:1;check=%d", port), Via{Port: 2, Proxy: 1, ProxyTraffic: true}, "GET"},
		{"127.0.0.2:1;check=" + agent.Addr, Via{Port: 2}, "GET"},
		{"unix:/run/none;check=" + agent.Addr, Via{}, "GET"},
		{"127.0.0.2:1;check=" + agent.Addr, Via{Proxy: 1}, "PROXY TCP4 "},
	} {
		spec, err := ParseSpec(tt.entry)
		if err != nil {
			t.Fatal(err)
		}
		if err := (HTTP{Path: "/", Accepts: only200, Via: tt.via}).Probe(t.Context(), spec.Backend()); err != nil ||
			!strings.HasPrefix(got, tt.begin) || tt.begin == "GET" && !strings.Contains(got, "Host: "+agent.Addr) {
			t.Errorf("%s by %+v: %v, asked %q", tt.entry, tt.via, err, got)
		}
	}
}

func TestParseCheck(t *testing.T) {
	for _, tt := range []struct{ in, want, err string }{
		{"db:1;check=08008", "db:1;check=8008", ""},
		{"db:1;check=Agent:8008;weight=2", "db:1;weight=2;check=agent:8008", ""},
		{"dns://db:1;check=8008", "dns://db:1;check=8008", ""},
		{"srv://_a._tcp.db;check=8008", "srv://_a._tcp.db;check=8008", ""},
		{"unix:/run/db;check=[::1]:8008", "unix:/run/db;check=[::1]:8008", ""},
		{"db:1;check=", "", "option check=: expected a port from 1 to 65535, or host:port"},
		{"db:1;check=0", "", "option check=0: expected a port from 1 to 65535, or host:port"},
		{"db:1;check=agent", "", "option check=agent: expected a port from 1 to 65535, or host:port"},
		{"db:1;check=agent:0", "", "option check=agent:0: expected a port from 1 to 65535 after the host"},
		{"unix:/run/db;check=8008", "", "option check=8008: a Unix socket has no host, expected check=host:port"},
		{"dns://db:1;check=agent:8008", "", "option check=agent:8008: each address of the name is a backend, expected check=PORT"},
	} {
		e, err := ParseEntry(tt.in)
		if tt.err == "" && (err != nil || e.String() != tt.want) || tt.err != "" && (err == nil || err.Error() != tt.err) {
			t.Errorf("%s: %q, %v, want %q %s", tt.in, e, err, tt.want, tt.err)
		}
	}
}
