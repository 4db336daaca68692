//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestWalkThrough is what a newcomer does: two backends, fourseven in front, one
// backend stopped and started again, both stopped.
func TestWalkThrough(t *testing.T) {
	t.Parallel()
	both := startBackends(t, 2)
	one, two := both[0], both[1]
	lb := serve(t, backendsOf(both))

	if got := servedBy(t, repeat(4, lb.l7)...); got != "1212" {
		t.Errorf("L7 answers from %s, want 1212", got)
	}

	// No request may fail while backend 1 stops, on a connection of its own or on
	// one that lives.
	asking := keepAsking(t, lb)
	began := time.Now()
	one.stop()
	if got := servedBy(t, repeat(4, lb.l7, lb.l4)...); got != "22222222" {
		t.Errorf("answers from %s once backend 1 has stopped, want 2 alone", got)
	}
	lb.awaitHealthy(interval+fastInterval+margin-time.Since(began), two.addr)
	if got := servedBy(t, repeat(4, lb.l7, lb.l4)...); got != "22222222" {
		t.Errorf("answers from %s once backend 1 is out, want 2 alone", got)
	}
	asking.awaitMore(10)

	// Nor while it comes back.
	one.start(t)
	lb.awaitHealthy(interval+margin, one.addr, two.addr)
	asking.awaitMore(10)
	asking.stop()
	if got := servedBy(t, repeat(4, lb.l7)...); got != "1212" && got != "2121" {
		t.Errorf("answers from %s once backend 1 is back, want the two in turn", got)
	}

	began = time.Now()
	one.stop()
	two.stop()
	wantResetAtOnce(t, lb.l4) // before as well as after it is noticed
	wantUnavailable(t, lb.l7, fmt.Sprintf(`{"error":"Backend server http://%s is not healthy"}`, two.addr),
		fmt.Sprintf(`{"error":"Backend server http://%s is not healthy"}`, one.addr), `{"error":"No healthy backends"}`)
	lb.awaitHealthy(interval + fastInterval + margin - time.Since(began))
	for range 4 {
		wantUnavailable(t, lb.l7, `{"error":"No healthy backends"}`)
		wantResetAtOnce(t, lb.l4)
	}

	two.start(t)
	lb.awaitHealthy(fastInterval+margin, two.addr)
	if got := servedBy(t, repeat(2, lb.l7, lb.l4)...); got != "2222" {
		t.Errorf("answers from %s once backend 2 is back, want 2 alone", got)
	}
	one.start(t)
	lb.awaitHealthy(fastInterval+margin, one.addr, two.addr)
	if got := servedBy(t, repeat(4, lb.l7)...); got != "1212" && got != "2121" {
		t.Errorf("answers from %s once both are back, want the two in turn", got)
	}
}

// TestProbesAloneNoticeBackend pins that the probes alone take a backend out: no request tells.
func TestProbesAloneNoticeBackend(t *testing.T) {
	t.Parallel()
	both := startBackends(t, 2)
	lb := serve(t, backendsOf(both))
	both[0].kill()
	lb.awaitHealthy(interval+fastInterval+margin, both[1].addr)
	wantTexts(t, "standard output", lb.stdout.String(), []string{`msg="backend down" backend=` + both[0].addr, "connection refused"})
}

// TestSharedTurn pins that L4 and L7 share the turn.
func TestSharedTurn(t *testing.T) {
	t.Parallel()
	lb := serve(t, backendsOf(startBackends(t, 3)))
	mixed := []string{lb.l4, lb.l7, lb.l4, lb.l7, lb.l7, lb.l7, lb.l4, lb.l4, lb.l7, lb.l4, lb.l7, lb.l4}
	if got := servedBy(t, mixed...); got != "123123123123" {
		t.Errorf("answers from %s, want strict rotation", got)
	}
}

// TestSharedTurnOfTwo is the walk-through's: one L4 connection, one L7 request,
// alternating, so that each frontend meets one of the two.
func TestSharedTurnOfTwo(t *testing.T) {
	t.Parallel()
	lb := serve(t, backendsOf(startBackends(t, 2)))
	if got := servedBy(t, repeat(5, lb.l4, lb.l7)...); got != "1212121212" {
		t.Errorf("answers from %s, want strict rotation", got)
	}
}

// wantUnavailable wants a 503 with one of these JSON bodies.
func wantUnavailable(t *testing.T, addr string, bodies ...string) {
	t.Helper()
	a, err := ask(addr, "/")
	if err != nil || a.status != http.StatusServiceUnavailable || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("status %d, %s, %v, want 503 and JSON", a.status, a.header.Get("Content-Type"), err)
	}
	for _, body := range bodies {
		if a.body == body {
			return
		}
	}
	t.Errorf("body %s, want %s", a.body, strings.Join(bodies, " or "))
}

// asking is clients that ask until they are stopped. Any failure fails the test.
type asking struct {
	t     *testing.T
	asked atomic.Int64
	stopc chan struct{}
	wg    sync.WaitGroup
	stop  func()
}

// keepAsking asks over L7, on one connection that is kept and on new ones.
func keepAsking(t *testing.T, lb *balancer) *asking {
	t.Helper()
	a := &asking{t: t, stopc: make(chan struct{})}
	a.stop = sync.OnceFunc(func() { close(a.stopc); a.wg.Wait() })
	t.Cleanup(a.stop)
	for _, keep := range []bool{true, false} {
		client := &http.Client{Timeout: testkit.Patience, Transport: &http.Transport{DisableKeepAlives: !keep}}
		a.wg.Go(func() { a.ask(client, "http://"+lb.l7+"/") })
	}
	return a
}

func (a *asking) ask(client *http.Client, url string) {
	defer client.CloseIdleConnections()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-a.stopc:
			return
		case <-tick.C:
		}
		if got, err := askOn(client, url); err != nil || got.status != http.StatusOK {
			a.t.Errorf("status %d %q, %v", got.status, got.body, err)
			return
		}
		a.asked.Add(1)
	}
}

// awaitMore waits until n more requests have been answered.
func (a *asking) awaitMore(n int64) {
	a.t.Helper()
	n += a.asked.Load()
	testkit.Eventually(a.t, "more requests to be answered", func() bool { return a.asked.Load() >= n })
}

// TestDemo runs the README's first command, but on free ports.
func TestDemo(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			demo := listening(t, fourseven(quick(), "demo"))
			demo.awaitOutput(1, "Ctrl-C ends it.")
			wantTexts(t, "standard output", demo.stdout.String(), []string{
				"L7 (HTTP)  http://" + demo.l7, "L4 (TCP)   " + demo.l4, "http://" + demo.admin + "/ ",
				"curl -s http://" + demo.l7 + "/", "curl -s http://" + demo.l4 + "/"})
			if got := servedBy(t, repeat(4, demo.l7)...); got != "1212" {
				t.Errorf("L7 answers from %s, want 1212", got)
			}
			if got := servedBy(t, repeat(4, demo.l4)...); got != "1212" {
				t.Errorf("L4 answers from %s, want 1212", got)
			}
			if got := mustAsk(t, demo.admin, "/readyz"); got != "ready\n" {
				t.Errorf("/readyz says %q", got)
			}
			demo.signal(sig)
			demo.wantExit(exitOK)
		})
	}
}
