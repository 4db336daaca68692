package l7_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fourseven/l4"
	"fourseven/l7"
)

// TestIrregularResponse pins that the connection of a response which other parsers could
// read differently is not used for another request, and that of any other response is.
// The client gets both its responses over one connection.
func TestIrregularResponse(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
	for _, tt := range []struct {
		name, answer string
		conns        int32 // to the backend, for two requests
	}{
		{"plain", plainAnswer, 1},
		{"zeros in front of the length", "HTTP/1.1 200 OK\r\nContent-Length: 02\r\n\r\nok", 1},
		{"no space behind the status", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 1},
		{"spaces behind a chunk size", chunked + "\r\n2  \r\nok\r\n0\r\n\r\n", 1},
		{"coding and length", chunked + "Content-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n", 2},
		{"list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", 2},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 2},
		{"two codings", chunked + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 2},
		{"list of codings", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 2},
		{"empty line", "\r\n" + plainAnswer, 2},
		{"tab behind a chunk size", chunked + "\r\n2\t\r\nok\r\n0\r\n\r\n", 2},
		{"semicolon behind a chunk size", chunked + "\r\n2;\r\nok\r\n0\r\n\r\n", 2},
		{"folded field", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok", 2},
		{"folded trailer", chunked + "\r\n2\r\nok\r\n0\r\nX: a\r\n b\r\n\r\n", 2},
		{"space before a colon", "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var conns atomic.Int32
			p := startProxy(t, nil, scriptedBackend(t, func(nc net.Conn) {
				conns.Add(1)
				for br := bufio.NewReader(nc); ; {
					if _, err := http.ReadRequest(br); err != nil {
						return
					}
					_, _ = io.WriteString(nc, tt.answer)
				}
			}))
			nc := p.dial(t)
			br := bufio.NewReader(nc)
			for range 2 {
				_, _ = io.WriteString(nc, get)
				if resp, body := readResponse(t, br, get); resp.StatusCode != 200 || body != "ok" || resp.Close {
					t.Fatalf("got %v %q", resp, body)
				}
			}
			if n := conns.Load(); n != tt.conns {
				t.Errorf("%d connections to the backend, want %d", n, tt.conns)
			}
		})
	}
}

// TestBadResponse pins that a malformed response ends a request as bad_response and is
// logged as a warning that names the rule and the field, not more than once a second.
func TestBadResponse(t *testing.T) {
	for _, tt := range []struct{ name, answer, client, log string }{
		{"no HTTP", "SSH-2.0-x\r\n", "HTTP/1.1 502 ", `rule="no HTTP/1 status line"`},
		{"status", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 502 ", `rule="status line"`},
		{"field", "HTTP/1.1 200 OK\r\nX\x01y: 1\r\n\r\n", "HTTP/1.1 502 ", `rule="field line" held_back=0 field="X\x01y"`},
		{"lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\n", "HTTP/1.1 502 ",
			`rule="lengths that differ" held_back=0 field=content-length`},
		{"coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 502 ",
			`rule="transfer coding other than chunked" held_back=0 field=Transfer-Encoding`},
		{"long head", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 256<<10), "HTTP/1.1 502 ", `rule="head too long"`},
		{"101", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "HTTP/1.1 502 ",
			`rule="101 without a request to switch protocols"`},
		{"interim", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 65), "HTTP/1.1 102 ", `rule="too many interim responses"`},
		{"chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\nzz\r\n", "HTTP/1.1 ", `rule="malformed chunk size"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r records
			var log strings.Builder // written before the record is reported
			began := time.Now()
			p := startProxy(t, recorded(&r, func(s *l7.Server) {
				s.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
			}), rawBackend(t, tt.answer))
			for range 3 {
				nc := p.dial(t)
				_, _ = io.WriteString(nc, get)
				if got, _ := io.ReadAll(io.LimitReader(nc, int64(len(tt.client)))); string(got) != tt.client {
					t.Errorf("client got %q", got)
				}
				if got := next(t, r.served); !strings.Contains(got, fmt.Sprintf("%q", l4.BadResponse)) {
					t.Errorf("reported %s, want bad_response", got)
				}
			}
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			if most := 1 + int(time.Since(began)/time.Second); len(lines) > most {
				t.Errorf("%d lines, want %d at most: %q", len(lines), most, lines)
			}
			if !strings.Contains(lines[0], `level=WARN msg="bad response" backend=`) || !strings.Contains(lines[0], tt.log) {
				t.Errorf("logged %q, want %s", lines[0], tt.log)
			}
		})
	}
}
