package admin

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fourseven/health"
	"fourseven/l4"
	"fourseven/l7"
)

// series returns the lines of /metrics that are ours, without histogram buckets.
func series(t *testing.T, src Source) []string {
	t.Helper()
	w := ask(Handler(src), "GET", "/metrics", "")
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var lines []string
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "lb_") && !strings.Contains(line, "_bucket{") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// Pins names, labels and values of what Prometheus gets.
func TestMetrics(t *testing.T) {
	src := source(t)
	c := src.Counters
	c.L4Ended(l4.Record{Reason: l4.EOF, Whole: time.Second})
	c.L4Ended(l4.Record{Reason: l4.Denied})
	c.L7Ended(l7.Closing{Reason: "idle", Whole: time.Second})
	c.Served(&l7.Record{Method: []byte("GET"), Status: 200, Whole: time.Second})
	c.Served(&l7.Record{Method: []byte("BREW"), Status: 799})
	c.Dialled(time.Second)
	traffic := src.Pool.Backends()[0].Traffic()
	traffic.Received.Add(9)
	traffic.Sent.Add(10)
	src.Lookups = func(r health.LookupResult) uint64 { return uint64(r) }
	got := series(t, src)
	for _, want := range []string{
		`lb_connections_limit 10`, `lb_draining 0`, `lb_accept_errors_total 6`, `lb_log_lines_dropped_total 3`,
		`lb_frontend_connections_total{frontend="l4"} 4`, `lb_frontend_active_connections{frontend="l4"} 1`,
		`lb_frontend_rejected_total{frontend="l4",reason="denied"} 1`,
		`lb_frontend_rejected_total{frontend="l4",reason="proxy_header"} 0`,
		`lb_connections_closed_total{frontend="l4",reason="eof"} 1`,
		`lb_connections_closed_total{frontend="l4",reason="denied"} 1`,
		`lb_connections_closed_total{frontend="l4",reason="backend_down"} 0`,
		`lb_received_bytes_total{frontend="l4"} 7`, `lb_sent_bytes_total{frontend="l4"} 8`,
		`lb_connection_duration_seconds_sum 2`, `lb_connection_duration_seconds_count 3`,
		`lb_backend_up{backend="a:1"} 1`, `lb_backend_up{backend="unix:/run/b.sock"} 0`,
		`lb_backend_active_connections{backend="a:1"} 0`, `lb_backend_connections_total{backend="a:1"} 0`,
		`lb_backend_received_bytes_total{backend="a:1"} 9`, `lb_backend_sent_bytes_total{backend="a:1"} 10`,
		`lb_backend_connect_duration_seconds_count 1`,
		`lb_backend_connect_errors_total{backend="a:1",reason="no_source_port"} 0`,
		`lb_retries_total{frontend="l4"} 5`,
		`lb_backend_checks_total{backend="unix:/run/b.sock",result="failed"} 1`,
		`lb_backend_state_changes_total{backend="a:1"} 0`,
		`lb_http_requests_total{code="200",method="GET"} 1`, `lb_http_requests_total{code="other",method="other"} 1`,
		`lb_http_request_duration_seconds_count 2`, `lb_http_requests_in_flight 2`,
		`lb_dns_lookups_total{result="timeout"} 2`,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("not there: %s", want)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(got, "\n"))
	}
}

// Pins that the series of a backend go when it leaves.
func TestMetricsForget(t *testing.T) {
	src := source(t)
	src.Pool.Replace([]health.Spec{{Addr: "c:1"}})
	all := strings.Join(series(t, src), "\n")
	if strings.Contains(all, "a:1") || !strings.Contains(all, `lb_backend_up{backend="c:1"} 0`) {
		t.Errorf("after the list was replaced:\n%s", all)
	}
}

// Pins that every ending has its counter.
func TestEndingsAreCounted(t *testing.T) {
	c := NewCounters()
	for _, e := range l4.Endings {
		c.L4Ended(l4.Record{Reason: e})
		c.L7Ended(l7.Closing{Reason: e})
	}
	for _, frontend := range []string{"l4", "l7"} {
		c.eachEnding(frontend, func(reason string, n uint64) {
			if n != 1 {
				t.Errorf("%s %s counted %d times", frontend, reason, n)
			}
		})
	}
}

func BenchmarkCounters(b *testing.B) {
	c := NewCounters()
	rec := &l7.Record{Method: []byte("POST"), Status: 204, Whole: time.Millisecond}
	b.Run("served", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.Served(rec)
		}
	})
	b.Run("ended", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.L4Ended(l4.Record{Reason: l4.ProxyHeader, Whole: time.Second})
		}
	})
}
