package l7_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"testing"

	"fourseven/internal/testkit"
	"fourseven/l4"
	"fourseven/l7"
)

// TestList pins what the list has of a connection in each phase, and that it can be closed in
// each: the client gets a reset, and the reason is the operator.
func TestList(t *testing.T) {
	const response = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc"
	stream := func(nc net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
			_, _ = io.WriteString(nc, response)
			_, _ = io.Copy(io.Discard, nc)
		}
	}
	silent := func(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }
	answer := func(t *testing.T) string { return httpBackend(t, answerOK) }
	scripted := func(serve func(net.Conn)) func(*testing.T) string {
		return func(t *testing.T) string { return scriptedBackend(t, serve) }
	}
	for _, tt := range []struct {
		state, request string
		backend        func(*testing.T) string
		atBackend      bool
		served         bool
	}{
		{"new", "", answer, false, false},
		{"idle", get, answer, false, true},
		{"reading a request", get[:5], answer, false, false},
		{"waiting for the backend", get, scripted(silent), true, true},
		{"responding", get, scripted(stream), true, true},
		{"upgraded", upgrade, scripted(switching), true, true},
	} {
		t.Run(tt.state, func(t *testing.T) {
			var r records
			p := startProxy(t, recorded(&r, nil), tt.backend(t))
			nc, other := p.dial(t), p.dial(t)
			_, _ = io.WriteString(nc, tt.request)
			var c l4.OpenConn
			testkit.Eventually(t, "the connection is "+tt.state, func() bool {
				list := l4.OpenConns{Limit: 5}
				p.List(&list)
				of := func(nc net.Conn) int {
					return slices.IndexFunc(list.Longest, func(c l4.OpenConn) bool { return c.Client.String() == nc.LocalAddr().String() })
				}
				// There may be the connection that found out whether the proxy listens.
				if len(list.Longest) != 2 || of(nc) < 0 || of(other) < 0 {
					return false
				}
				c = list.Longest[of(nc)]
				return c.State == tt.state && c.Received == int64(len(tt.request))
			})
			if want := map[bool]string{true: p.Pool.Backends()[0].Addr}[tt.atBackend]; c.Backend != want {
				t.Errorf("its backend is %q, want %q", c.Backend, want)
			}
			closed, ok := p.CloseConn(c.Loop, c.Number)
			if !ok || closed.Client != c.Client {
				t.Errorf("closed %+v, %t", closed, ok)
			}
			if _, err := io.Copy(io.Discard, nc); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("it ended with %v, want a reset", err)
			}
			if got := next(t, r.ended); got != string(l4.OperatorClose) {
				t.Errorf("it ended by %s", got)
			}
			if tt.served {
				next(t, r.served)
			}
			if _, ok := p.CloseConn(c.Loop, c.Number); ok {
				t.Error("it was closed twice")
			}
			_, _ = io.WriteString(other, get[:3])
			testkit.Eventually(t, "the other is untouched", func() bool {
				list := l4.OpenConns{Limit: 5}
				p.List(&list)
				return len(list.Longest) == 1 && list.Longest[0].State == "reading a request"
			})
		})
	}
	if _, ok := new(l7.Server).CloseConn(0, 1); ok {
		t.Error("closed a connection of a server that never served")
	}
}
