package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fourseven/health"
	"fourseven/internal/config"
	"fourseven/l4"
)

// source returns a source of two backends, one is up and one is down.
func source(t *testing.T) Source {
	t.Helper()
	pool := health.NewPool(health.NewBackend("a:1"), health.NewBackend("unix:/run/b.sock"))
	probe := func(_ context.Context, b *health.Backend) error {
		if b.Addr != "a:1" {
			return errors.New("no such luck")
		}
		return nil
	}
	(&health.Checker{Pool: pool, Probe: probe, Timeout: time.Minute}).CheckAll(t.Context())
	only := &Service{
		Pool: pool, Counters: NewCounters(),
		Close:    func(*health.Backend, int) int { return 0 },
		Lookups:  func(health.LookupResult) uint64 { return 0 },
		InFlight: func() int { return 2 },
		Frontends: []Frontend{{Name: "l4", Addr: "127.0.0.1:9000", Stats: func() l4.Stats {
			return l4.Stats{Active: 1, Connections: 4, Retries: 5, AcceptErrors: 6, Received: 7, Sent: 8}
		}}},
	}
	return Source{
		Services: []*Service{only}, Registry: prometheus.NewRegistry(),
		Draining: func() bool { return false },
		Dropped:  func() uint64 { return 3 },
		Stalls:   func() uint64 { return 2 },
		Reloads: func() []Reload {
			return []Reload{{Setting: "LB_BACKENDS", Result: ReloadRefused, Count: 2, Error: "bad"}}
		},
		Version: "v1", Limit: 10,
		Settings: func() []config.Setting {
			return []config.Setting{{Name: "LB_ADMIN_TOKEN", Value: "(secret)", Source: "environment"}}
		},
	}
}

// ask sends a request as if from this machine, and returns the answer.
func ask(h http.Handler, method, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:9900"+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:50000"
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// decode reads a JSON answer.
func decode[T any](t *testing.T, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s: %v: %s", w.Code, w.Header(), err, w.Body)
	}
	return v
}

// Pins what readiness is: not draining, and somebody to give traffic to.
func TestReady(t *testing.T) {
	src := source(t)
	draining := false
	src.Draining = func() bool { return draining }
	h := Handler(src)
	want := func(code int, text string) {
		t.Helper()
		if w := ask(h, "GET", "/readyz", ""); w.Code != code || w.Body.String() != text+"\n" {
			t.Errorf("%d %q, want %d %q", w.Code, w.Body, code, text)
		}
	}
	want(200, "ready")
	src.Services[0].Pool.SetMode(src.Services[0].Pool.Find("a:1"), health.ModeDrain)
	want(503, "no backend is up")
	src.Services[0].Pool.SetMode(src.Services[0].Pool.Find("a:1"), health.ModeReady)
	draining = true
	want(503, "draining")
	if w := ask(h, "GET", "/healthz", ""); w.Code != 200 {
		t.Errorf("healthz %d while draining", w.Code)
	}
}

func TestShowBackends(t *testing.T) {
	all := decode[[]backend](t, ask(Handler(source(t)), "GET", "/api/backends", ""))
	if len(all) != 2 {
		t.Fatalf("%d backends, want 2", len(all))
	}
	a, b := all[0], all[1]
	if a.Address != "a:1" || a.State != "up" || a.Mode != "ready" || a.Weight != 1 || a.Since == nil || a.Probe == nil || !a.Probe.Passed {
		t.Errorf("%+v", a)
	}
	if b.State != "down" || b.Probe == nil || b.Probe.Passed || b.Probe.Error != "no such luck" || b.Checks["failed"] != 1 {
		t.Errorf("%+v %+v", b, b.Probe)
	}
}

func TestShowStatus(t *testing.T) {
	src := source(t)
	for range 2 {
		src.Services[0].Counters.L4Ended(l4.Record{Reason: l4.Denied})
	}
	s := decode[status](t, ask(Handler(src), "GET", "/api/status", ""))
	f := s.Frontends[0]
	if s.Version != "v1" || !s.Ready || s.Draining || s.Limit != 10 || s.AcceptErrors != 6 || s.Dropped != 3 || s.HTTP.InFlight != 2 {
		t.Errorf("%+v", s)
	}
	if f.Active != 1 || f.Connections != 4 || f.Retries != 5 || f.Received != 7 || f.Sent != 8 || f.Rejected["denied"] != 2 || len(f.Closed) != 1 {
		t.Errorf("%+v", f)
	}
}

// Pins that a refused reload can be seen, in the status and by Prometheus.
func TestShowReloads(t *testing.T) {
	s := decode[status](t, ask(Handler(source(t)), "GET", "/api/status", ""))
	if len(s.Reloads) != 1 || s.Reloads[0].Result != ReloadRefused || s.Reloads[0].Error != "bad" {
		t.Errorf("%+v", s.Reloads)
	}
	if got := series(t, source(t)); !slices.Contains(got, `lb_reloads_total{result="refused",setting="LB_BACKENDS"} 2`) {
		t.Errorf("%v", got)
	}
}

// Pins that the log has who changed what.
func TestSteerIsLogged(t *testing.T) {
	var log bytes.Buffer
	src := source(t)
	src.Logger = slog.New(slog.NewTextHandler(&log, nil))
	ask(Handler(src), "POST", "/api/backends/a:1/drain", "")
	src.Registry, src.Token = prometheus.NewRegistry(), "hush"
	ask(Handler(src), "PUT", "/api/backends/a:1/weight", "7", func(r *http.Request) { r.Header.Set("Authorization", "Bearer hush") })
	ask(Handler(Source{Services: []*Service{{Pool: src.Services[0].Pool, Counters: NewCounters()}}, Registry: prometheus.NewRegistry(), Token: "hush"}), "POST", "/api/backends/a:1/drain", "")
	for _, want := range []string{
		`msg=operator action=drain backend=a:1 by="this machine" client=127.0.0.1:50000`,
		`msg=operator action=weight backend=a:1 by=token client=127.0.0.1:50000 weight=7`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("got %s, want %s", log.String(), want)
		}
	}
	if n := strings.Count(log.String(), "msg=operator"); n != 2 {
		t.Errorf("%d lines, want 2", n)
	}
}

func TestShowConfig(t *testing.T) {
	all := decode[[]config.Setting](t, ask(Handler(source(t)), "GET", "/api/config", ""))
	if len(all) != 1 || all[0].Value != "(secret)" {
		t.Errorf("%v", all)
	}
}

// Pins that what is steered is done, at once, and that nonsense is refused in
// words.
func TestSteer(t *testing.T) {
	src := source(t)
	closed := 0
	src.Services[0].Close = func(b *health.Backend, rate int) int { closed = rate; return 12 }
	h := Handler(src)
	const unix = "/api/backends/unix:%2Frun%2Fb.sock/"
	for _, tt := range []struct {
		method, path, body string
		code               int
		want               string // in the answer
	}{
		{"POST", "/api/backends/a:1/drain", "", 200, `"mode":"drain"`},
		{"POST", "/api/backends/a:1/down", "", 200, `"mode":"down"`},
		{"POST", "/api/backends/a:1/ready", "", 200, `"mode":"ready"`},
		{"POST", unix + "drain", "", 200, `"address":"unix:/run/b.sock"`},
		{"POST", "/api/backends/a:1/explode", "", 404, "expected drain, ready, down or close"},
		{"POST", "/api/backends/c:1/drain", "", 404, `no backend \"c:1\"`},
		{"PUT", "/api/backends/a:1/weight", `{"weight": 7}`, 200, `"weight":7,"configured_weight":1`},
		{"PUT", unix + "weight", "8", 200, `"weight":8`},
		{"PUT", "/api/backends/a:1/weight", "0", 400, "from 1 to 256"},
		{"PUT", "/api/backends/a:1/weight", "257", 400, "from 1 to 256"},
		{"PUT", "/api/backends/a:1/weight", `{"heavy": 7}`, 400, "expected"},
		{"PUT", "/api/backends/a:1/weight", strings.Repeat(" ", maxBody) + "7", 400, "too large"},
		{"PUT", "/api/backends/c:1/weight", "7", 404, "no backend"},
		{"POST", "/api/backends/a:1/close", "", 202, `{"connections":12}`},
		{"POST", "/api/backends/a:1/close?rate=0", "", 400, "from 1 to"},
		{"POST", "/api/backends/a:1/close?rat=5", "", 400, `unknown parameter \"rat\", expected rate`},
		// A rate that cannot be read had been the default one.
		{"POST", "/api/backends/a:1/close?rate=5;x", "", 400, "malformed parameters"},
		{"POST", "/api/backends/a:1/close?rate=%zz", "", 400, "malformed parameters"},
		{"POST", "/api/backends/a:1/close?rate=5&rate=6", "", 400, "from 1 to"},
		{"POST", "/api/backends/a:1/drain?after=5m", "", 400, "drain takes no parameters"},
		{"PUT", "/api/backends/a:1/weight?weight=9", "7", 400, "weight takes no parameters"},
		{"POST", "/api/backends/A:01/close", "", 202, "connections"},
		{"POST", "/api/backends/unix:/run/b.sock/drain", "", 200, `"address":"unix:/run/b.sock"`},
		{"GET", "/api/backends/a:1", "", 200, `"address":"a:1"`},
		{"GET", unix[:len(unix)-1], "", 200, `"address":"unix:/run/b.sock"`},
		{"GET", "/api/backends/c:1", "", 404, `{"error":"no backend \"c:1\""}`},
		{"GET", "/api/nothing", "", 404, `{"error":"no page \"/api/nothing\""}`},
		{"DELETE", "/api/status", "", 405, `{"error":"DELETE is not allowed here, expected GET, HEAD"}`},
		{"GET", "/api/backends/a:1/drain", "", 405, ""},
		{"POST", "/api/backends/a:1/weight", "7", 404, "unknown action"},
	} {
		w := ask(h, tt.method, tt.path, tt.body)
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s %s %.20s: %d %s, want %d %s", tt.method, tt.path, tt.body, w.Code, w.Body, tt.code, tt.want)
		}
	}
	if closed != closeRate {
		t.Errorf("closed at a rate of %d, want %d", closed, closeRate)
	}
	if b := src.Services[0].Pool.Find("unix:/run/b.sock"); b.Mode() != health.ModeDrain || b.CurrentWeight() != 8 {
		t.Errorf("mode %s, weight %d", b.Mode(), b.CurrentWeight())
	}
}

// Pins that profiles are served, to those who may have them.
func TestProfile(t *testing.T) {
	h := Handler(source(t))
	for path, want := range map[string]string{
		"/debug/pprof/":                  "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile",
		"/debug/pprof/cmdline":           "admin.test",
	} {
		if w := ask(h, "GET", path, ""); w.Code != 200 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %.80s", path, w.Code, w.Body)
		}
	}
	w := ask(h, "GET", "/debug/pprof/cmdline", "", func(r *http.Request) { r.RemoteAddr = "10.0.0.1:5" })
	if body, _ := io.ReadAll(w.Body); w.Code != 403 || strings.Contains(string(body), "admin.test") {
		t.Errorf("from elsewhere: %d %.80s", w.Code, body)
	}
}
