package admin

import (
	"cmp"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fourseven/health"
	"fourseven/internal/testkit"
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
	c := src.Services[0].Counters
	c.L4Ended(l4.Record{Reason: l4.EOF, Whole: time.Second})
	c.L4Ended(l4.Record{Reason: l4.Denied})
	c.L7Ended(l7.Closing{Reason: "idle", Whole: time.Second})
	c.Served(&l7.Record{Method: []byte("GET"), Status: 200, Whole: time.Second})
	c.Served(&l7.Record{Method: []byte("BREW"), Status: 799})
	c.Dialled(time.Second)
	c.Shaken("l4")(l4.HandshakeFailed)
	src.Services[0].Frontends[0].TLS = true
	src.Services[0].Certificates = func() []Certificate {
		return []Certificate{{Source: "LB_TLS_CERT", Names: []string{"lb.example.com"}, NotAfter: time.Unix(1e9, 0)}}
	}
	traffic := src.Services[0].Pool.Backends()[0].Traffic()
	traffic.Received.Add(9)
	traffic.Sent.Add(10)
	b := src.Services[0].Pool.Backends()[0]
	b.Connected(time.Second)
	b.Responded(204, time.Second)
	b.Responded(503, 2*time.Second)
	b.CountFailure()
	src.Services[0].Lookups = func(r health.LookupResult) uint64 { return uint64(r) }
	got := series(t, src)
	for _, want := range []string{
		`lb_connections_limit 10`, `lb_draining 0`, `lb_accept_errors_total 6`, `lb_log_lines_dropped_total 3`, `lb_loop_stalls_total 2`,
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
		`lb_backend_dial_duration_seconds_sum{backend="a:1"} 1`, `lb_backend_dial_duration_seconds_count{backend="a:1"} 1`,
		`lb_backend_http_requests_total{backend="a:1"} 0`, `lb_backend_http_requests_in_flight{backend="a:1"} 0`,
		`lb_backend_http_responses_total{backend="a:1",code="2xx"} 1`, `lb_backend_http_responses_total{backend="a:1",code="5xx"} 1`,
		`lb_backend_http_responses_total{backend="unix:/run/b.sock",code="5xx"} 0`, `lb_backend_http_failures_total{backend="a:1"} 1`,
		`lb_backend_http_response_duration_seconds_sum{backend="a:1"} 3`, `lb_backend_http_response_duration_seconds_count{backend="a:1"} 2`,
		`lb_backend_checks_total{backend="unix:/run/b.sock",result="failed"} 1`,
		`lb_backend_state_changes_total{backend="a:1"} 0`,
		`lb_http_requests_total{code="200",method="GET"} 1`, `lb_http_requests_total{code="other",method="other"} 1`,
		`lb_http_request_duration_seconds_count 2`, `lb_http_requests_in_flight 2`,
		`lb_dns_lookups_total{result="timeout"} 2`,
		`lb_tls_handshakes_total{frontend="l4",result="full"} 0`, `lb_tls_handshakes_total{frontend="l4",result="failed"} 1`,
		`lb_tls_certificate_expiry_timestamp_seconds{name="lb.example.com",source="LB_TLS_CERT"} 1e+09`,
	} {
		if !slices.Contains(got, want) {
			t.Errorf("not there: %s", want)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(got, "\n"))
	}
}

var update = flag.Bool("update", false, "rewrite the goldens under testdata")

// everything is a source in which each counter has counted something.
func everything(t *testing.T) Source {
	t.Helper()
	src := source(t)
	c := src.Services[0].Counters
	c.L4Ended(l4.Record{Reason: l4.EOF, Whole: time.Second})
	c.L7Ended(l7.Closing{Reason: l4.Idle, Whole: time.Second})
	c.Served(&l7.Record{Method: []byte("GET"), Status: 200, Whole: time.Second})
	c.Dialled(time.Second)
	c.Shaken("l7")(l4.HandshakeResumed)
	src.Services[0].Certificates = func() []Certificate {
		return []Certificate{{Source: "LB_TLS_CERT", Names: []string{"lb.example.com"}, NotAfter: time.Unix(1, 0)}}
	}
	stats := func() l4.Stats { return l4.Stats{} }
	src.Services[0].Frontends = append(src.Services[0].Frontends, Frontend{Name: "l7", Addr: "127.0.0.1:8000", TLS: true, Stats: stats})
	return src
}

// exposed returns the program's own series, without their values, and their types.
func exposed(t *testing.T, src Source) string {
	t.Helper()
	w := ask(Handler(src), "GET", "/metrics", "")
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var b strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		switch {
		case strings.HasPrefix(line, "# TYPE lb_"):
			b.WriteString(line)
		case strings.HasPrefix(line, "lb_"):
			b.WriteString(line[:strings.LastIndexByte(line, ' ')] + "\n")
		}
	}
	return regexp.MustCompile(`goversion="[^"]*"`).ReplaceAllString(b.String(), `goversion="go"`)
}

// Pins that without names of services every series keeps its name, its type and its
// labels: dashboards and alerts of users rely on them.
func TestMetricsGolden(t *testing.T) {
	testkit.Golden(t, "testdata/metrics.golden", []byte(exposed(t, everything(t))), *update, "go test ./internal/admin -run TestMetricsGolden")
}

// Pins that with names of services the same series have the label service, but for those
// of the whole process.
func TestMetricsOfServices(t *testing.T) {
	flat := exposed(t, everything(t))
	src := everything(t)
	src.Services[0].Name = "rw"
	src.Services = append(src.Services, everything(t).Services[0])
	src.Services[1].Name, src.Services[1].Limit = "ro", 7
	got := exposed(t, src)
	ofProcess := regexp.MustCompile(`^lb_(build_info|connections_limit|draining|log_lines_dropped_total|loop_stalls_total|reloads_total)\b`)
	for line := range strings.Lines(flat) {
		if strings.HasPrefix(line, "#") || ofProcess.MatchString(line) {
			if !strings.Contains(got, line) {
				t.Errorf("not there: %s", line)
			}
			continue
		}
		for _, service := range []string{"rw", "ro"} {
			if want := labelled(strings.TrimSpace(line), service); !strings.Contains(got, want+"\n") {
				t.Errorf("not there: %s", want)
			}
		}
	}
	src.Registry = prometheus.NewRegistry()
	if all := series(t, src); !slices.Contains(all, `lb_service_connections_limit{service="ro"} 7`) {
		t.Error("no limit of a service")
	}
}

// labelled returns a series with the label service, in the order of the exposition.
func labelled(series, service string) string {
	name, labels, ok := strings.Cut(strings.TrimSuffix(series, "}"), "{")
	all := []string{fmt.Sprintf("service=%q", service)}
	if ok {
		all = append(all, strings.Split(labels, ",")...)
	}
	slices.SortStableFunc(all, func(a, b string) int { // le comes last
		return cmp.Or(-cmp.Compare(truth(!strings.HasPrefix(a, "le=")), truth(!strings.HasPrefix(b, "le="))), cmp.Compare(a, b))
	})
	return name + "{" + strings.Join(all, ",") + "}"
}

// Pins that a service without HTTP has no series of it.
func TestMetricsWithoutHTTP(t *testing.T) {
	src := source(t)
	src.Services[0].InFlight = nil
	if all := strings.Join(series(t, src), "\n"); strings.Contains(all, "lb_backend_http") || !strings.Contains(all, "lb_backend_dial_duration") {
		t.Errorf("got:\n%s", all)
	}
}

// Pins that the series of a backend go when it leaves.
func TestMetricsForget(t *testing.T) {
	src := source(t)
	src.Services[0].Pool.Replace([]health.Spec{{Addr: "c:1"}})
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
