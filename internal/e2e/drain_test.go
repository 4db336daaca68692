//go:build linux

package e2e

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// TestShutdownDelay pins that new clients are served while /readyz tells their
// balancer not to send any more.
func TestShutdownDelay(t *testing.T) {
	t.Parallel()
	const delay = 8 * time.Second // in which a busy machine must get all that follows done
	lb := serve(t, backendsOf(startBackends(t, 2)), "LB_SHUTDOWN_DELAY="+delay.String())
	began := time.Now()
	lb.signal(syscall.SIGTERM)
	lb.awaitOutput(1, "msg=draining")
	for range 4 {
		if a, err := ask(lb.admin, "/readyz"); err != nil || a.status != 503 || a.body != "draining\n" {
			t.Errorf("/readyz: status %d %q, %v, want 503 draining", a.status, a.body, err)
		}
		if got := servedBy(t, lb.l4, lb.l7); got != "12" {
			t.Errorf("answers from %s, want 12", got)
		}
	}
	lb.wantExit(exitOK)
	if took := time.Since(began); took < delay || took > delay+margin {
		t.Errorf("ended after %s, want %s", took, delay)
	}
}

// TestDrainCompletes pins that SIGTERM costs no live connection its bytes: 20
// transfers over L4 and one request over L7 end whole, after two lines, one a second,
// have said how many are left.
func TestDrainCompletes(t *testing.T) {
	t.Parallel()
	goOnc := make(chan struct{})
	goOn := sync.OnceFunc(func() { close(goOnc) })
	backend := httptest.NewServer(answerInHalves(goOnc))
	t.Cleanup(backend.Close)
	t.Cleanup(goOn)
	lb := serve(t, "LB_BACKENDS="+backend.URL, "LB_DRAIN_TIMEOUT="+(2*testkit.Patience).String())
	var transfers, started sync.WaitGroup
	transfer := func(addr string) {
		started.Add(1)
		transfers.Go(func() {
			resp, err := http.DefaultTransport.RoundTrip(mustRequest(t, addr, "/"))
			started.Done()
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = resp.Body.Close() }()
			if n, err := io.Copy(io.Discard, resp.Body); n != slowBody || err != nil {
				t.Errorf("%s: %d bytes of %d, %v", addr, n, slowBody, err)
			}
		})
	}
	for range 20 {
		transfer(lb.l4)
	}
	transfer(lb.l7)
	started.Wait()
	began := time.Now()
	lb.signal(syscall.SIGTERM)
	lb.awaitOutput(2, "msg=\"still draining\" l4=20 l7=1\n")
	goOn()
	transfers.Wait()
	lb.wantExit(exitOK)
	took := time.Since(began)
	if n := lb.outputCount("still draining"); n > int(took/time.Second) {
		t.Errorf("%d lines in %s of what is left, want one a second", n, took)
	}
}

// answerInHalves answers with slowBody bytes, of which the second half waits for a
// channel to be closed. The health checks' path answers at once.
func answerInHalves(goOnc <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(slowBody))
		_, _ = w.Write(make([]byte, slowBody/2))
		_ = http.NewResponseController(w).Flush()
		<-goOnc
		_, _ = w.Write(make([]byte, slowBody/2))
	}
}

// TestDrainTimeout pins that a connection without an end is reset when its time
// is over: it must not look complete.
func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	const timeout = 2500 * time.Millisecond
	lb := serve(t, backendsOf(startBackends(t, 1)), "LB_DRAIN_TIMEOUT="+timeout.String())
	conn := endless(t, lb.l4)
	began := time.Now()
	lb.signal(syscall.SIGTERM)
	if _, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
	if took := time.Since(began); took < timeout || took > timeout+margin {
		t.Errorf("cut after %s, want %s", took, timeout)
	}
	lb.wantExit(exitOK)
	if n := lb.outputCount(`msg="still draining" l4=1 l7=0`); n < 1 || n > 2 {
		t.Errorf("%d lines of what is left, want one a second", n)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	for _, tt := range []struct{ name, setting, said string }{
		{"in the delay", "LB_SHUTDOWN_DELAY=1h", "msg=draining"},
		{"in the drain", "LB_DRAIN_TIMEOUT=1h", "still draining"},
		{"in a drain without a limit", "LB_DRAIN_TIMEOUT=0", "still draining"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lb := serve(t, backendsOf(startBackends(t, 1)), tt.setting)
			l4, l7 := endless(t, lb.l4), endless(t, lb.l7)
			lb.signal(syscall.SIGTERM)
			lb.awaitOutput(1, tt.said)
			lb.signalAgain(syscall.SIGINT)
			lb.wantExit(exitOK)
			for _, conn := range []*net.TCPConn{l4, l7} {
				if _, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("%s ended with %v, want a reset", conn.RemoteAddr(), err)
				}
			}
		})
	}
}

// signalAgain sends the signal that ends a drain at once, once the drain can be seen to
// have begun: a second one counts only if it comes a second or more after the first.
func (p *process) signalAgain(sig syscall.Signal) {
	p.t.Helper()
	time.Sleep(time.Second)
	p.signal(sig)
}

// TestTwoSignalsAtOnce pins that signals within a second are one: timeout(1) signals the
// process and its group, and a shell's Ctrl-C reaches the whole group.
func TestTwoSignalsAtOnce(t *testing.T) {
	t.Parallel()
	lb := serve(t, backendsOf(startBackends(t, 1)))
	conn := dial(t, lb.l4)
	if _, err := io.WriteString(conn, "GET /slow?body=2s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	lb.signal(syscall.SIGTERM)
	lb.signal(syscall.SIGINT)
	lb.awaitOutput(1, "msg=draining")
	if rest, err := io.ReadAll(conn); err != nil || len(rest) < slowBody {
		t.Errorf("%d bytes, %v: the second signal cut the connection", len(rest), err)
	}
	_ = conn.Close()
	lb.wantExit(exitOK)
}
