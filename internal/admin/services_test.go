package admin

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"fourseven/health"
)

// twoServices returns a source of the services rw and ro. Both have the backends of
// source, and ro has c:1 as well, which is down.
func twoServices(t *testing.T) Source {
	t.Helper()
	src := source(t)
	rw, ro := src.Services[0], source(t).Services[0]
	rw.Name, ro.Name = "rw", "ro"
	ro.Pool.Replace([]health.Spec{{Addr: "a:1"}, {Addr: "unix:/run/b.sock"}, {Addr: "c:1"}})
	src.Services = append(src.Services, ro)
	return src
}

// Pins that a backend is found in the service that the path names, and without a name
// while only one service has it.
func TestSteerServices(t *testing.T) {
	var log bytes.Buffer
	src := twoServices(t)
	src.Logger = slog.New(slog.NewTextHandler(&log, nil))
	closed := ""
	for _, s := range src.Services {
		s.Close = func(b *health.Backend, _ int) int { closed = s.Name + " " + b.Addr; return 1 }
	}
	h := Handler(src)
	for _, tt := range []struct {
		method, path, body string
		code               int
		want               string // in the response
	}{
		{"POST", "/api/services/rw/backends/a:1/drain", "", 200, `"service":"rw","address":"a:1"`},
		{"POST", "/api/services/ro/backends/unix:/run/b.sock/drain", "", 200, `"service":"ro","address":"unix:/run/b.sock"`},
		{"PUT", "/api/services/ro/backends/a:1/weight", "7", 200, `"weight":7`},
		{"POST", "/api/services/ro/backends/A:01/close", "", 202, `{"connections":1}`},
		{"POST", "/api/services/rw/backends/c:1/drain", "", 404, `no backend \"c:1\"`},
		{"POST", "/api/services/redis/backends/a:1/drain", "", 404, `no service \"redis\"`},
		{"GET", "/api/services/redis/backends", "", 404, `no service \"redis\"`},
		{"GET", "/api/services/redis/backends/a:1", "", 404, `no service \"redis\"`},
		{"GET", "/api/services/rw/backends/a:1", "", 200, `"mode":"drain"`},
		{"GET", "/api/services/ro/backends/a:1", "", 200, `"mode":"ready"`},
		{"GET", "/api/services/ro/backends/a:1/drain", "", 405, "expected POST"},
		{"DELETE", "/api/services/ro/backends/a:1", "", 405, "is not allowed here"},

		{"POST", "/api/backends/c:1/drain", "", 200, `"service":"ro","address":"c:1"`},
		{"GET", "/api/backends/c:1", "", 200, `"mode":"drain"`},
		{"POST", "/api/backends/a:1/drain", "", 409, `services rw, ro have a backend \"a:1\": use /api/services/rw/backends/`},
		{"PUT", "/api/backends/a:1/weight", "7", 409, "services rw, ro"},
		{"GET", "/api/backends/a:1", "", 409, "services rw, ro"},
		{"POST", "/api/backends/d:1/drain", "", 404, `no backend \"d:1\"`},
	} {
		w := ask(h, tt.method, tt.path, tt.body)
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s %s: %d %s, want %d %s", tt.method, tt.path, w.Code, w.Body, tt.code, tt.want)
		}
	}
	if closed != "ro a:1" {
		t.Errorf("closed the connections of %q", closed)
	}
	if want := "msg=operator service=rw action=drain backend=a:1"; !strings.Contains(log.String(), want) {
		t.Errorf("no %s in %s", want, log.String())
	}
}

// Pins that what is shown tells the services apart.
func TestShowServices(t *testing.T) {
	h := Handler(twoServices(t))
	if all := decode[[]backend](t, ask(h, "GET", "/api/backends", "")); len(all) != 5 || all[0].Service != "rw" || all[4].Service != "ro" {
		t.Errorf("%+v", all)
	}
	if all := decode[[]backend](t, ask(h, "GET", "/api/services/ro/backends", "")); len(all) != 3 || all[2].Address != "c:1" {
		t.Errorf("%+v", all)
	}
	s := decode[status](t, ask(h, "GET", "/api/status", ""))
	if len(s.Services) != 2 || s.Services[1].Name != "ro" || !s.Services[1].Ready || s.Services[1].HTTP.InFlight != 2 {
		t.Errorf("%+v", s.Services)
	}
	if len(s.Frontends) != 2 || s.Frontends[1].Service != "ro" || s.HTTP.InFlight != 4 || s.AcceptErrors != 12 {
		t.Errorf("%+v %+v", s, s.HTTP)
	}
	flat := ask(Handler(source(t)), "GET", "/api/status", "").Body.String() + ask(Handler(source(t)), "GET", "/api/backends", "").Body.String()
	if strings.Contains(flat, "service") {
		t.Errorf("without services: %s", flat)
	}
}

// Pins which question is asked of /readyz: of any service, of one, or of none.
func TestReadyOfServices(t *testing.T) {
	src := twoServices(t)
	draining := false
	src.Draining = func() bool { return draining }
	h := Handler(src)
	want := func(path string, code int, text string) {
		t.Helper()
		if w := ask(h, "GET", path, ""); w.Code != code || w.Body.String() != text+"\n" {
			t.Errorf("%s: %d %q, want %d %q", path, w.Code, w.Body, code, text)
		}
	}
	rw, ro := src.Services[0].Pool, src.Services[1].Pool
	rw.SetMode(rw.Find("a:1"), health.ModeDrain)
	want("/readyz", 200, "ready")
	want("/readyz?service=rw", 503, "no backend is up")
	want("/readyz?service=ro", 200, "ready")
	want("/readyz?service=redis", 404, `no service "redis"`)
	want("/readyz?service=", 404, `no service ""`)
	want("/readyz?service=rw&service=ro", 400, `service=["rw" "ro"]: expected service=NAME once, or ignore=backends`)
	want("/readyz?servic=rw", 400, `servic=["rw"]: expected service=NAME once, or ignore=backends`)
	want("/readyz?service=rw;x", 400, "invalid semicolon separator in query")
	want("/readyz?service=rw%zz", 400, `invalid URL escape "%zz"`)
	want("/readyz?ignore=draining", 400, `ignore=["draining"]: expected service=NAME once, or ignore=backends`)
	ro.SetMode(ro.Find("a:1"), health.ModeDrain)
	want("/readyz", 503, "no backend is up")
	want("/readyz?ignore=backends", 200, "ready")
	want("/readyz?service=rw&ignore=backends", 200, "ready")
	draining = true
	want("/readyz?ignore=backends", 503, "draining")
	if w := ask(Handler(source(t)), "GET", "/readyz?service=rw", ""); w.Code != 404 {
		t.Errorf("without services: %d", w.Code)
	}
}
