//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestServices pins that each service has backends, listeners and a turn of its own, and
// that log, metrics, API and health checks tell them apart.
func TestServices(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 3)
	lb := serveServices(t, "LB_SERVICES=web,db", backendsOf(b[:2]), "LB_DB_BACKENDS="+b[1].addr+","+b[2].addr,
		"LB_WEB_L4_LISTEN=127.0.0.1:0", "LB_WEB_L7_LISTEN=127.0.0.1:0", "LB_DB_L4_LISTEN=127.0.0.1:0", "LB_ACCESS_LOG=on")
	web4, web7, db := lb.at["web l4"], lb.at["web l7"], lb.at["db l4"]
	if lb.at["db l7"] != "" {
		t.Errorf("db listens for HTTP at %s", lb.at["db l7"])
	}
	// The two frontends of web share a turn, and db has one of its own.
	got := servedBy(t, web4, db, web7, db, web4, db)
	if ofWeb := got[:1] + got[2:3] + got[4:5]; ofWeb != "121" && ofWeb != "212" {
		t.Errorf("responses from %s, want those of web from 1 and 2 in turn", got)
	}
	if ofDB := got[1:2] + got[3:4] + got[5:]; ofDB != "232" && ofDB != "323" {
		t.Errorf("responses from %s, want those of db from 2 and 3 in turn", got)
	}
	lb.awaitOutput(1, "msg=request service=web client=")
	lb.awaitOutput(3, "msg=connection service=db client=")
	wantTexts(t, "the log", lb.output(), []string{
		"msg=starting version=", "services=web,db", `msg=service service=db backends=2 balance=round_robin`,
		`msg="healthy set" service=web up=2 of=2`,
	})
	wantTexts(t, "/metrics", mustAsk(t, lb.admin, "/metrics"), []string{
		`lb_frontend_connections_total{frontend="l4",service="db"} 3`, `lb_frontend_connections_total{frontend="l4",service="web"} 2`,
		fmt.Sprintf(`lb_backend_up{backend=%q,service="web"} 1`, b[1].addr), fmt.Sprintf(`lb_backend_up{backend=%q,service="db"} 1`, b[1].addr),
		"\nlb_draining 0\n",
	})

	api := "http://" + lb.admin + "/api/"
	if code, text := order(t, "POST", api+"backends/"+b[1].addr+"/drain", "", ""); code != http.StatusConflict {
		t.Errorf("an address of two services: %d %s", code, text)
	}
	if code, text := order(t, "POST", api+"services/db/backends/"+b[1].addr+"/drain", "", ""); code != http.StatusOK {
		t.Errorf("in one of them: %d %s", code, text)
	}
	if got := servedBy(t, repeat(2, db, web4)...); strings.Count(got, "3") != 2 || !strings.Contains(got, "2") {
		t.Errorf("with 2 drained in db alone, responses from %s", got)
	}
	if code, text := order(t, "POST", api+"backends/"+b[2].addr+"/drain", "", ""); code != http.StatusOK {
		t.Errorf("an address of one service: %d %s", code, text)
	}
	for path, want := range map[string]int{
		"/readyz": 200, "/readyz?service=web": 200, "/readyz?service=db": 503, "/readyz?service=none": 404, "/readyz?ignore=backends": 200,
	} {
		if a, err := ask(lb.admin, path); err != nil || a.status != want {
			t.Errorf("%s: %d, %v, want %d", path, a.status, err, want)
		}
	}
	wantResetAtOnce(t, db)
	lb.stop()
}

// TestServicesApart pins that a service at a limit of its own, and one whose backends are
// all gone, take nothing from another one.
func TestServicesApart(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 3)
	lb := serveServices(t, "LB_SERVICES=full,gone,fine", "LB_MAX_CONNS=40",
		"LB_FULL_BACKENDS="+b[0].addr, "LB_GONE_BACKENDS="+b[1].addr, "LB_FINE_BACKENDS="+b[2].addr,
		"LB_FULL_L4_LISTEN=127.0.0.1:0", "LB_GONE_L4_LISTEN=127.0.0.1:0", "LB_GONE_L7_LISTEN=127.0.0.1:0",
		"LB_FINE_L4_LISTEN=127.0.0.1:0", "LB_FINE_L7_LISTEN=127.0.0.1:0", "LB_FULL_MAX_CONNS=2")
	live := openSessions(t, lb.at["fine l4"])
	load := newLoad()
	fine4, fine7 := &tally{t: t, kind: "L4 connection"}, &tally{t: t, kind: "HTTP request"}
	load.each(100, func() { fine4.count(askOnce(lb.at["fine l4"])) })
	load.each(100, func() { fine7.count(askOnce(lb.at["fine l7"])) })

	held := []*session{mustOpen(t, lb.at["full l4"]), mustOpen(t, lb.at["full l4"])}
	queue := crowd(t, lb.at["full l4"], 40) // as many as the process may have
	b[1].kill()
	testkit.Eventually(t, "gone to have no backend", func() bool {
		a, err := ask(lb.admin, "/readyz?service=gone")
		return err == nil && a.status == http.StatusServiceUnavailable
	})
	wantResetAtOnce(t, lb.at["gone l4"])
	if a, err := ask(lb.at["gone l7"], "/"); err != nil || a.status != http.StatusServiceUnavailable {
		t.Errorf("HTTP without a backend: %d, %v", a.status, err)
	}
	load.stop()
	sayAll(t, live)
	endAll(t, live)
	for _, c := range []*tally{fine4, fine7} {
		if c.done.Load() == 0 {
			t.Errorf("no %s", c.kind)
		}
	}
	wantTexts(t, "/metrics", mustAsk(t, lb.admin, "/metrics"), []string{
		`lb_retries_total{frontend="l4",service="fine"} 0`, `lb_connections_closed_total{frontend="l4",reason="no_backend",service="fine"} 0`,
	})
	endAll(t, held)
	for i, conn := range queue {
		if err := finish(conn); err != nil {
			t.Errorf("client %d of the full service: %v", i, err)
		}
	}
	lb.stop()
}

// TestServicesGiveWay pins that at the limit of the process a connection of the service
// with the most idle ones is closed, also if one of another service has been idle longer.
func TestServicesGiveWay(t *testing.T) {
	t.Parallel()
	lb := serveServices(t, "LB_SERVICES=many,few", backendsOf(startBackends(t, 1)), "LB_MAX_CONNS=20", "LB_L7_IDLE_TIMEOUT=1h",
		"LB_MANY_L7_LISTEN=127.0.0.1:0", "LB_FEW_L7_LISTEN=127.0.0.1:0", "LB_FEW_L4_LISTEN=127.0.0.1:0")
	idle := func(n int, addr string) {
		for range n {
			conn := dial(t, addr)
			request(t, conn, "/")
			if resp := response(t, conn); resp.Close {
				t.Fatal("the response ends the connection")
			}
		}
	}
	idle(6, lb.at["few l7"])
	idle(11, lb.at["many l7"])
	for range 4 { // the last one needs another to give way
		mustOpen(t, lb.at["few l4"])
	}
	active := func(service string) string {
		m := regexp.MustCompile(`lb_frontend_active_connections\{frontend="l7",service="` + service + `"\} (\d+)`).FindStringSubmatch(mustAsk(t, lb.admin, "/metrics"))
		return m[1]
	}
	testkit.Eventually(t, "a connection to give way", func() bool { return active("many") == "10" })
	if got := active("few"); got != "6" {
		t.Errorf("of the service with few connections %s are left, want all 6", got)
	}
	lb.kill()
}

func mustOpen(t *testing.T, addr string) *session {
	t.Helper()
	s, err := openSession(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close() })
	return s
}

// TestServicesReload pins that each list of backends is read on its own: a fault in one
// keeps no other from being taken, and a list for several services is taken by all.
func TestServicesReload(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 3)
	dir := t.TempDir()
	list := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	lb := serveServices(t, "LB_SERVICES=x,y,own", "LB_BACKENDS_FILE="+list("all", b[0].addr), "LB_OWN_BACKENDS_FILE="+list("own", b[0].addr),
		"LB_X_L4_LISTEN=127.0.0.1:0", "LB_Y_L4_LISTEN=127.0.0.1:0", "LB_OWN_L4_LISTEN=127.0.0.1:0")
	at := []string{lb.at["x l4"], lb.at["y l4"], lb.at["own l4"]}
	served := func(want string) {
		t.Helper()
		testkit.Eventually(t, "responses from "+want, func() bool { return servedBy(t, at...) == want })
	}
	served("111")
	list("all", b[1].addr)
	list("own", "nonsense")
	lb.signal(syscall.SIGHUP)
	lb.awaitOutput(1, "msg=reloaded")
	lb.awaitOutput(1, `msg="reload refused"`)
	wantTexts(t, "the log", lb.output(), []string{"services=x,y entries=1", `services=own err="LB_OWN_BACKENDS: entry \"nonsense\"`})
	served("221")
	list("all", "127.0.0.1:0")
	list("own", b[2].addr)
	lb.signal(syscall.SIGHUP)
	lb.awaitOutput(2, "msg=reloaded")
	served("223")
	wantTexts(t, "/metrics", mustAsk(t, lb.admin, "/metrics"), []string{
		`lb_reloads_total{result="ok",setting="LB_BACKENDS"} 1`, `lb_reloads_total{result="refused",setting="LB_BACKENDS"} 1`,
		`lb_reloads_total{result="ok",setting="LB_OWN_BACKENDS"} 1`, `lb_reloads_total{result="refused",setting="LB_OWN_BACKENDS"} 1`,
	})
	wantTexts(t, "/api/config", mustAsk(t, lb.admin, "/api/config"), []string{
		`{"name":"LB_Y_BACKENDS","value":"` + b[1].addr + `","source":"file ` + filepath.Join(dir, "all") + `, LB_BACKENDS_FILE"}`,
		`{"name":"LB_OWN_BACKENDS","value":"` + b[2].addr + `"`,
	})
	lb.stop()
}

// TestServicesDrain pins that a drain waits for the connections of all services, and that
// the log names those that have some.
func TestServicesDrain(t *testing.T) {
	t.Parallel()
	settings := []string{backendsOf(startBackends(t, 1)), "LB_DRAIN_TIMEOUT=" + (2 * testkit.Patience).String()}
	lb := serveServices(t, append(settings, manyServices(10)...)...)
	var at []string
	for i := range 10 {
		at = append(at, lb.at[fmt.Sprintf("s%d l4", i)], lb.at[fmt.Sprintf("s%d l7", i)])
	}
	mustAsk(t, at[1], "/")
	sessions := openSessions(t, at[0], at[19])
	lb.signal(syscall.SIGTERM)
	lb.awaitOutput(1, `msg="still draining" l4=5 l7=5 services=s0:5,s9:5`)
	sayAll(t, sessions)
	for _, addr := range at {
		if err := askOnce(addr); err == nil {
			t.Errorf("%s is served while the process drains", addr)
		}
	}
	endAll(t, sessions)
	lb.wantExit(exitOK)
}

// manyServices returns the settings of n services with two listeners each, on free ports.
func manyServices(n int) []string {
	var names, settings []string
	for i := range n {
		names = append(names, fmt.Sprintf("s%d", i))
		settings = append(settings, fmt.Sprintf("LB_S%d_L4_LISTEN=127.0.0.1:0", i), fmt.Sprintf("LB_S%d_L7_LISTEN=127.0.0.1:0", i))
	}
	return append(settings, "LB_SERVICES="+strings.Join(names, ","))
}

// TestServicesHandover replaces a process with many listeners under load: no client of
// any service may be refused, reset or cut off.
func TestServicesHandover(t *testing.T) {
	const n = 5
	settings := []string{backendsOf(startBackends(t, 2)), "LB_HEALTH_CHECK=off", "LB_REUSE_PORT=on", "LB_DRAIN_TIMEOUT=" + (2 * testkit.Patience).String()}
	var names, at []string
	for i := range n {
		l4, l7 := testkit.ReserveAddr(t), testkit.ReserveAddr(t)
		at = append(at, l4, l7)
		names = append(names, fmt.Sprintf("s%d", i))
		settings = append(settings, fmt.Sprintf("LB_S%d_L4_LISTEN=%s", i, l4), fmt.Sprintf("LB_S%d_L7_LISTEN=%s", i, l7))
	}
	settings = append(settings, "LB_SERVICES="+strings.Join(names, ","))
	old := serveServices(t, settings...)
	load, clients := newLoad(), &tally{t: t, kind: "connection"}
	for _, addr := range at {
		load.each(20, func() { clients.count(askOnce(addr)) })
	}
	for range 2 {
		sessions := openSessions(t, at...)
		next := serveServices(t, settings...)
		next.awaitOutput(2*n, `msg="taking over"`)
		old.signal(syscall.SIGTERM)
		old.awaitOutput(1, "still draining")
		sayAll(t, sessions)
		endAll(t, sessions)
		old.wantExit(exitOK)
		old = next
	}
	load.stop()
	t.Logf("%d connections, %d failed", clients.done.Load(), clients.failed.Load())
	old.stop()
}

// TestServicesHandoverGivesBack pins that a process which cannot have the last of many
// addresses costs no client of the others.
func TestServicesHandoverGivesBack(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 1)
	a, c := testkit.ReserveAddr(t), testkit.ReserveAddr(t)
	settings := []string{backendsOf(b), "LB_SERVICES=a,c", "LB_A_L4_LISTEN=" + a, "LB_C_L4_LISTEN=" + c, "LB_REUSE_PORT=on"}
	lb := serveServices(t, settings...)
	load, clients := newLoad(), &tally{t: t, kind: "L4 connection"}
	load.each(100, func() { clients.count(askOnce(a)) })
	load.each(100, func() { clients.count(askOnce(c)) })
	taken := startBackends(t, 1)[0].addr
	for range 3 {
		p := finished(t, quickServices(append(slices.Clone(settings), "LB_C_L7_LISTEN="+taken)...))
		p.wantExit(exitFailure)
		wantTexts(t, "standard error", p.stderr.String(), []string{"LB_C_L7_LISTEN=" + taken + ": ", "address already in use"})
	}
	load.stop()
	lb.stop()
}

// TestServicesStart pins that a hundred services cost a tenth of a second of processor
// time at the start at most.
func TestServicesStart(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes the program several times slower")
	}
	backends := backendsOf(startBackends(t, 1))
	cost := func(n int) time.Duration {
		lb := serveServices(t, append(manyServices(n), backends, "LB_HEALTH_INTERVAL=1h")...)
		defer lb.kill()
		return lb.cpuTime()
	}
	testkit.Eventually(t, "a hundred services to start soon", func() bool {
		one, hundred := cost(1), cost(100)
		t.Logf("one service %s, a hundred %s", one, hundred)
		return hundred-one <= 100*time.Millisecond
	})
}

// TestServicesCheck pins what check prints and what it refuses.
func TestServicesCheck(t *testing.T) {
	t.Parallel()
	good := []string{"LB_SERVICES=rw,ro", "LB_BACKENDS=127.0.0.1:1", "LB_RW_L4_LISTEN=127.0.0.1:5432", "LB_RO_L4_LISTEN=127.0.0.1:5433"}
	p := finished(t, append(good, "LB_BALANCE=random2"), "check")
	p.wantExit(exitOK)
	wantTexts(t, "check", strings.Join(strings.Fields(p.stdout.String()), " "), []string{"LB_RO_BALANCE random2 environment, LB_BALANCE", "LB_RW_L7_LISTEN off default"})
	p = finished(t, append(good, "LB_L4_LISTEN=:1", "LB_RETRIES=x", "LB_REDIS_BACKENDS=a:1"), "check")
	p.wantExit(exitUsage)
	wantTexts(t, "check", p.stderr.String(), []string{"LB_L4_LISTEN=\":1\": services do not inherit it", "there is no service redis"})
	if n := strings.Count(p.stderr.String(), "LB_RETRIES"); n != 1 {
		t.Errorf("a wrong default is reported %d times", n)
	}
	p = finished(t, []string{"LB_SERVICES=a"}, "demo")
	p.wantExit(exitUsage)
	wantTexts(t, "demo", p.stderr.String(), []string{"LB_SERVICES is set"})
}
