//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// scrape returns the program's own metrics, without those that are no counts of
// what a test does.
func scrape(t *testing.T, addr string) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for line := range strings.Lines(mustAsk(t, addr, "/metrics")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(name, "lb_") || strings.Contains(name, "_bucket{") || strings.HasSuffix(name, "_sum") {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all[name] = int64(n)
	}
	for name := range all {
		switch {
		case strings.HasPrefix(name, "lb_build_info"), name == "lb_connections_limit":
			delete(all, name)
		// How often L7 dials depends on what is kept, and so on how fast the machine is.
		case strings.HasPrefix(name, "lb_backend_connect_duration"):
			delete(all, name)
		// Over L7 a client's bytes are not a backend's; backendBytes looks over L4.
		case strings.HasPrefix(name, "lb_backend_received_bytes"), strings.HasPrefix(name, "lb_backend_sent_bytes"):
			delete(all, name)
		}
	}
	return all
}

// ledger is what a test has done, in the words of the metrics.
type ledger struct {
	t    *testing.T
	lb   *balancer
	want map[string]int64
}

// add adds to a metric whose name may have verbs in it for labels.
func (l *ledger) add(n int64, name string, labels ...any) {
	l.want[fmt.Sprintf(name, labels...)] += n
}

// ended adds connections of a frontend that ended.
func (l *ledger) ended(n int64, frontend, reason string) {
	l.add(n, "lb_frontend_connections_total{frontend=%q}", frontend)
	l.add(n, "lb_connections_closed_total{frontend=%q,reason=%q}", frontend, reason)
	l.add(n, "lb_connection_duration_seconds_count")
}

// served adds requests.
func (l *ledger) served(n int64, code, method string) {
	l.add(n, "lb_http_requests_total{code=%q,method=%q}", code, method)
	l.add(n, "lb_http_request_duration_seconds_count")
}

// forget drops the series of a backend that left.
func (l *ledger) forget(addr string) {
	maps.DeleteFunc(l.want, func(name string, _ int64) bool { return strings.Contains(name, addr) })
}

// balanced waits until the metrics are these, and all others zero: the program may
// learn of an end a little later than the client.
func (l *ledger) balanced() {
	l.t.Helper()
	for end := time.Now().Add(patience / 4); ; {
		wrong := l.wrong()
		if len(wrong) == 0 {
			return
		}
		if time.Now().After(end) {
			l.t.Fatal(strings.Join(wrong, "\n"))
		}
	}
}

func (l *ledger) wrong() (lines []string) {
	got := scrape(l.t, l.lb.admin)
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if got[name] != l.want[name] {
			lines = append(lines, fmt.Sprintf("%s is %d, want %d", name, got[name], l.want[name]))
		}
	}
	for name := range l.want {
		if _, ok := got[name]; !ok {
			lines = append(lines, name+" is not there")
		}
	}
	return lines
}

// backendBytes wants the backend to have had all bytes of L4.
func (l *ledger) backendBytes(addr string) {
	l.t.Helper()
	metrics := mustAsk(l.t, l.lb.admin, "/metrics")
	for _, direction := range []string{"received", "sent"} {
		n := l.want[fmt.Sprintf("lb_%s_bytes_total{frontend=%q}", direction, "l4")]
		line := fmt.Sprintf("lb_backend_%s_bytes_total{backend=%q} %d\n", direction, addr, n)
		if !strings.Contains(metrics, line) {
			l.t.Errorf("not there: %s", line)
		}
	}
}

// dial connects to a frontend. The connection's bytes are in the ledger.
func (l *ledger) dial(frontend string) *countedConn {
	addr := l.lb.l4
	if frontend == "l7" {
		addr = l.lb.l7
	}
	return &countedConn{dial(l.t, addr), l, frontend}
}

// exchange sends bytes on a connection of its own and reads all that comes.
func (l *ledger) exchange(frontend, text string) {
	l.t.Helper()
	conn := l.dial(frontend)
	_, _ = io.WriteString(conn, text)
	if answer, err := io.ReadAll(conn); err != nil || len(answer) == 0 {
		l.t.Fatalf("answer %q, %v", answer, err)
	}
	_ = conn.Close()
}

// countedConn is a client's connection.
type countedConn struct {
	*net.TCPConn
	ledger   *ledger
	frontend string
}

func (c *countedConn) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	c.ledger.add(int64(n), "lb_sent_bytes_total{frontend=%q}", c.frontend)
	return n, err
}

func (c *countedConn) Write(b []byte) (int, error) {
	n, err := c.TCPConn.Write(b)
	c.ledger.add(int64(n), "lb_received_bytes_total{frontend=%q}", c.frontend)
	return n, err
}

// onlyOnce asks for an answer and the end of the connection.
const onlyOnce = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

// TestMetricsAreExact does a known set of connections, requests, failures and
// retries, and compares every counter with what the clients saw.
func TestMetricsAreExact(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 1)[0]
	dead := freeAddr(t)
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
	lb.awaitSaid(1, "msg=reloaded", patience)
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
	l.add(6, "lb_backend_connections_total{backend=%q}", alive)
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
	l.add(3, "lb_backend_connections_total{backend=%q}", addr)
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
	_, _ = io.WriteString(left, "GET /slow?head=20s HTTP/1.1\r\nHost: a\r\n\r\n")
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
	_ = conn.SetDeadline(time.Now().Add(patience))
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
