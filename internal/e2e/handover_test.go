//go:build linux

package e2e

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// lineage is a program that is replaced by a new process of it on the same addresses.
type lineage struct {
	t             *testing.T
	settings      []string
	l4, l7, admin string
	newest        *balancer
}

// newLineage starts the first process.
func newLineage(t *testing.T, settings ...string) *lineage {
	t.Helper()
	l := &lineage{t: t, l4: testkit.ReserveAddr(t), l7: testkit.ReserveAddr(t), admin: testkit.ReserveAddr(t)}
	l.settings = append(settings, "LB_REUSE_PORT=on",
		"LB_L4_LISTEN="+l.l4, "LB_L7_LISTEN="+l.l7, "LB_ADMIN_LISTEN="+l.admin)
	l.start()
	return l
}

// start starts a process beside the one that is there, if one is, and returns when
// the new one is ready.
func (l *lineage) start() {
	l.t.Helper()
	l.newest = serve(l.t, l.settings...)
	testkit.Eventually(l.t, "the new process to be ready", func() bool {
		a, err := ask(l.admin, "/readyz") // goes to the newer process
		return err == nil && a.status == http.StatusOK
	})
}

// replace starts a successor, and returns the process before it, which it asks to
// end.
func (l *lineage) replace() *balancer {
	l.t.Helper()
	old := l.newest
	l.start()
	old.signal(syscall.SIGTERM)
	return old
}

// tally counts what a kind of client does.
type tally struct {
	t            *testing.T
	kind         string
	done, failed atomic.Int64
}

// count counts one operation. The first few failures are told.
func (c *tally) count(err error) {
	n := c.done.Add(1)
	if err != nil && c.failed.Add(1) <= 10 {
		c.t.Errorf("%s %d: %v", c.kind, n, err)
	}
}

// TestHandover replaces the program three times under 500 new L4 connections and 500
// HTTP requests a second. No client may be refused, reset or cut off, and what was
// begun before goes on.
func TestHandover(t *testing.T) {
	l := newLineage(t, backendsOf(startBackends(t, 2)), "LB_HEALTH_CHECK=off", "LB_DRAIN_TIMEOUT="+(2*testkit.Patience).String())
	load := newLoad()
	tallies := []*tally{{t: t, kind: "L4 connection"}, {t: t, kind: "HTTP connection"}, {t: t, kind: "HTTP request, kept"}, {t: t, kind: "L4 connection in a burst"}}
	began := time.Now()
	load.each(500, func() { tallies[0].count(askOnce(l.l4)) })
	load.each(250, func() { tallies[1].count(askOnce(l.l7)) })
	for i := range 50 { // between them they ask 250 times a second
		load.wg.Go(func() { load.keep(l.l7, tallies[2], i) })
	}
	for range 3 {
		sessions := openSessions(t, l.l4, l.l7)
		old := l.replace()
		for range 200 {
			load.wg.Go(func() { tallies[3].count(askOnce(l.l4)) })
		}
		old.awaitOutput(1, "still draining")
		for range 3 {
			sayAll(t, sessions)
		}
		if old.ended() {
			t.Error("ended before its sessions")
		}
		endAll(t, sessions)
		old.wantExit(exitOK)
	}
	load.stop()
	for _, c := range tallies {
		t.Logf("%s: %d, %.0f a second, %d failed", c.kind, c.done.Load(), float64(c.done.Load())/time.Since(began).Seconds(), c.failed.Load())
	}
}

// keep asks over a connection that is kept for as long as it may, and thinks between
// two questions: most clients for a short time, a few for seconds.
func (l *load) keep(addr string, c *tally, number int) {
	client := &keptClient{addr: addr}
	defer client.close()
	for {
		think := rand.N(340 * time.Millisecond)
		if number%8 == 0 {
			think = rand.N(4 * time.Second)
		}
		if !l.pause(think) {
			return
		}
		_, err := client.do("POST", "/echo", "hello")
		c.count(err)
	}
}

// openSessions opens a few sessions over each address.
func openSessions(t *testing.T, addrs ...string) []*session {
	t.Helper()
	var all []*session
	for _, addr := range repeat(5, addrs...) {
		s, err := openSession(addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.conn.Close() })
		all = append(all, s)
	}
	return all
}

func sayAll(t *testing.T, sessions []*session) {
	t.Helper()
	for i, s := range sessions {
		if err := s.say("hello"); err != nil {
			t.Errorf("session %d: %v", i, err)
		}
	}
}

func endAll(t *testing.T, sessions []*session) {
	t.Helper()
	for i, s := range sessions {
		if err := s.end(); err != nil {
			t.Errorf("the end of session %d: %v", i, err)
		}
	}
}

// TestHandoverSteers pins which process gets new clients, of all three listeners: the
// other one is stopped meanwhile, so that whom it got would wait.
func TestHandoverSteers(t *testing.T) {
	t.Parallel()
	l := newLineage(t, backendsOf(startBackends(t, 1)))
	first := l.newest
	l.start()
	second := l.newest
	wantServedWithout(t, l, first)

	second.signal(syscall.SIGTERM) // a new version that does not please
	second.awaitOutput(1, "msg=draining")
	wantServedWithout(t, l, second)
	second.wantExit(exitOK)

	l.start()
	l.newest.kill()
	testkit.Eventually(t, "the first process to be asked", func() bool { _, err := ask(l.admin, "/healthz"); return err == nil })
	wantServedWithout(t, l, nil)
	first.stop()
}

// wantServedWithout wants all listeners to be served while a process is stopped.
func wantServedWithout(t *testing.T, l *lineage, stopped *balancer) {
	t.Helper()
	if stopped != nil {
		stopped.signal(syscall.SIGSTOP)
		defer stopped.signal(syscall.SIGCONT)
	}
	for range 20 { // by a hash over two, all would go to one with a chance of 2^-60
		for _, addr := range []string{l.l4, l.l7} {
			if err := askOnce(addr); err != nil {
				t.Fatal(err)
			}
		}
		mustAsk(t, l.admin, "/healthz")
	}
}

// TestHandoverRefused pins what ends a process that cannot listen beside the one
// that is there, and that nothing else comes of it.
func TestHandoverRefused(t *testing.T) {
	t.Parallel()
	l := newLineage(t, backendsOf(startBackends(t, 1)))
	first := l.newest
	wantRefused(t, "this process listens there already", append(l.settings, "LB_L4_LISTEN=localhost:1", "LB_L7_LISTEN=127.0.0.1:1")...)
	l.start()
	wantRefused(t, "2 processes listen there already", l.settings...)
	first.stop()
	wantRefused(t, "address already in use: by a process that does not share it", append(l.settings, "LB_L4_LISTEN="+startBackends(t, 1)[0].addr)...)
	for _, addr := range []string{l.l4, l.l7} {
		mustAsk(t, addr, "/")
	}
	l.newest.stop()
}

func wantRefused(t *testing.T, why string, settings ...string) {
	t.Helper()
	p := finished(t, quick(settings...))
	p.wantExit(exitFailure)
	wantTexts(t, "standard error", p.stderr.String(), []string{why})
}

// TestHandoverGivesBack pins that a process which takes over one address and cannot have
// the next costs no client: those who came to it are served. Only a few come in the
// moment between the two, so it takes some tries and a load.
func TestHandoverGivesBack(t *testing.T) {
	l := newLineage(t, backendsOf(startBackends(t, 1)))
	load, clients := newLoad(), &tally{t: t, kind: "L4 connection"}
	load.each(1000, func() { clients.count(askOnce(l.l4)) })
	taken := append(l.settings, "LB_L7_LISTEN="+startBackends(t, 1)[0].addr)
	for range 5 {
		wantRefused(t, "address already in use: by a process that does not share it", taken...)
	}
	load.stop()
	l.newest.stop()
}

// TestHandoverQueue pins that clients in the queue of a process that is replaced are
// served by it: here many more than it may serve at once, in longer than it goes on
// accepting.
func TestHandoverQueue(t *testing.T) {
	for name, addr := range map[string]func(*lineage) string{
		"l4": func(l *lineage) string { return l.l4 },
		"l7": func(l *lineage) string { return l.l7 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLineage(t, backendsOf(startBackends(t, 1)), "LB_MAX_CONNS=10")
			queue := crowd(t, addr(l), 150)
			old := l.replace()
			for i, conn := range queue {
				if err := finish(conn); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			}
			old.wantExit(exitOK)
			mustAsk(t, addr(l), "/")
		})
	}
}

// crowd makes connections with a request on each that takes a while.
func crowd(t *testing.T, addr string, n int) []net.Conn {
	t.Helper()
	var all []net.Conn
	for range n {
		conn, err := reach(addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if _, err := fmt.Fprint(conn, "GET /slow?body=200ms HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		all = append(all, conn)
	}
	return all
}
