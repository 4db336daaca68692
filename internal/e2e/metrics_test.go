//go:build linux

package e2e

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// onlyOnce asks for an answer and the end of the connection.
const onlyOnce = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

// TestMetricsAreExact does a known set of connections, requests, failures and
// retries, and compares every counter with what the clients saw.
func TestMetricsAreExact(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 1)[0]
	dead := testkit.ReserveAddr(t)
	path := filepath.Join(t.TempDir(), "backends")
	list := func(addrs string) {
		if err := os.WriteFile(path, []byte(addrs), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list(b.addr + "," + dead)
	lb := serve(t, "LB_BACKENDS_FILE="+path, "LB_HEALTH_CHECK=off", "LB_DENY=127.0.0.9")
	l := &ledger{t, lb, map[string]int64{}}
	l.add(1, "lb_backend_up{backend=%q}", b.addr)
	l.add(1, "lb_backend_up{backend=%q}", dead)

	retried(l, b.addr, dead)
	list(b.addr)
	lb.signal(syscall.SIGHUP)
	lb.awaitOutput(1, "msg=reloaded")
	l.add(1, "lb_reloads_total{result=%q,setting=%q}", "ok", "LB_BACKENDS")
	l.forget(dead)
	l.balanced()
	kept(l, b.addr)
	broken(l, b.addr)
	b.stop()
	unreached(l, b.addr)
}

// retried has every second turn meet the dead backend, and go on to the other.
func retried(l *ledger, alive, dead string) {
	for range 10 {
		l.exchange("l4", onlyOnce)
	}
	l.ended(10, "l4", "eof")
	l.add(5, "lb_retries_total{frontend=%q}", "l4")
	l.add(10, "lb_backend_connections_total{backend=%q}", alive)
	l.add(5, "lb_backend_connect_errors_total{backend=%q,reason=%q}", dead, "refused")
	l.balanced()
	l.backendBytes(alive)
	for range 6 {
		l.exchange("l7", onlyOnce)
	}
	l.ended(6, "l7", "eof")
	l.served(6, "200", "GET")
	l.add(3, "lb_retries_total{frontend=%q}", "l7")
	l.forwarded(6, alive, "2xx")
	l.add(3, "lb_backend_connect_errors_total{backend=%q,reason=%q}", dead, "refused")
	l.balanced()
}

// kept has several requests on one connection, one with a method that is no label,
// one that is refused.
func kept(l *ledger, addr string) {
	conn := l.dial("l7")
	br := bufio.NewReader(conn)
	for _, r := range []struct{ text, code, method string }{
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "200", "GET"},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "200", "POST"},
		{"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "200", "other"},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400", "GET"},
	} {
		_, _ = io.WriteString(conn, r.text)
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			l.t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		l.served(1, r.code, r.method)
	}
	_, _ = io.Copy(io.Discard, br)
	_ = conn.Close()
	l.ended(1, "l7", "eof")
	l.forwarded(3, addr, "2xx")
	l.balanced()
}

// broken has connections that are refused, that the client breaks and that the
// backend breaks.
func broken(l *ledger, addr string) {
	for _, frontend := range []string{"l4", "l7"} {
		turnedAway(l, frontend)
		l.ended(1, frontend, "denied")
		l.add(1, "lb_frontend_rejected_total{frontend=%q,reason=%q}", frontend, "denied")
	}
	left := l.dial("l4")
	_, _ = io.WriteString(left, "GET /slow?head=1h HTTP/1.1\r\nHost: a\r\n\r\n")
	l.add(1, "lb_frontend_connections_total{frontend=%q}", "l4")
	l.add(1, "lb_frontend_active_connections{frontend=%q}", "l4")
	l.add(1, "lb_backend_active_connections{backend=%q}", addr)
	l.add(1, "lb_backend_connections_total{backend=%q}", addr)
	l.balanced() // while it lives
	l.add(-1, "lb_frontend_connections_total{frontend=%q}", "l4")
	l.add(-1, "lb_frontend_active_connections{frontend=%q}", "l4")
	l.add(-1, "lb_backend_active_connections{backend=%q}", addr)
	_ = left.SetLinger(0)
	_ = left.Close()
	l.ended(1, "l4", "client_reset")

	reset := l.dial("l4")
	_, _ = io.WriteString(reset, "GET /reset HTTP/1.1\r\nHost: a\r\n\r\n")
	_, _ = io.Copy(io.Discard, reset)
	l.ended(1, "l4", "backend_reset")
	l.add(1, "lb_backend_connections_total{backend=%q}", addr)
	l.balanced()
}

// turnedAway connects from an address that may not.
func turnedAway(l *ledger, frontend string) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.9:0"))}
	addr := map[string]string{"l4": l.lb.l4, "l7": l.lb.l7}[frontend]
	conn, err := d.DialContext(l.t.Context(), "tcp", addr)
	if err != nil {
		return // reset before the dial was done with
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(testkit.Patience))
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		l.t.Errorf("%s let 127.0.0.9 in", frontend)
	}
}

// unreached has a connection and a request that no backend can take.
func unreached(l *ledger, addr string) {
	wantResetAtOnce(l.t, l.lb.l4)
	l.ended(1, "l4", "connect_failed")
	l.exchange("l7", onlyOnce)
	l.ended(1, "l7", "eof")
	l.served(1, "503", "GET")
	l.add(2, "lb_backend_connect_errors_total{backend=%q,reason=%q}", addr, "refused")
	l.balanced()
}
