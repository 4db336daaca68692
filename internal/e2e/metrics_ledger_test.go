//go:build linux

package e2e

import (
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
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
		case strings.HasPrefix(name, "lb_backend_connect_duration"), strings.HasPrefix(name, "lb_backend_dial_duration"):
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

// add adds to a metric servedBy name may have verbs in it for labels.
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

// forwarded adds requests that a backend responded to.
func (l *ledger) forwarded(n int64, addr, class string) {
	l.add(n, "lb_backend_connections_total{backend=%q}", addr)
	l.add(n, "lb_backend_http_requests_total{backend=%q}", addr)
	l.add(n, "lb_backend_http_responses_total{backend=%q,code=%q}", addr, class)
	l.add(n, "lb_backend_http_response_duration_seconds_count{backend=%q}", addr)
}

// forget drops the series of a backend that left.
func (l *ledger) forget(addr string) {
	maps.DeleteFunc(l.want, func(name string, _ int64) bool { return strings.Contains(name, addr) })
}

// balanced waits until the metrics are these, and all others zero: the program may
// learn of an end a little later than the client.
func (l *ledger) balanced() {
	l.t.Helper()
	deadline := time.Now().Add(testkit.Patience)
	for wrong := l.wrong(); len(wrong) > 0; wrong = l.wrong() {
		if time.Now().After(deadline) {
			l.t.Fatal(strings.Join(wrong, "\n"))
		}
		time.Sleep(10 * time.Millisecond) // leaves the processor to the program
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
