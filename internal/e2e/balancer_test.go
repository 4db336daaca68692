//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// fourseven returns a command that runs the program under test, with no LB_ variables
// but these settings.
func fourseven(settings []string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "LB_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	// A program under the race detector would sleep a second before it exits.
	cmd.Env = append(cmd.Env, "GORACE=atexit_sleep_ms=10")
	cmd.Env = append(cmd.Env, settings...)
	return cmd
}

// quick are settings under which a process listens on free ports of the loopback
// address alone, and soon notices changes of its backends.
func quick(settings ...string) []string {
	return append([]string{
		"LB_L4_LISTEN=127.0.0.1:0", "LB_L7_LISTEN=127.0.0.1:0", "LB_ADMIN_LISTEN=127.0.0.1:0",
		"LB_HEALTH_INTERVAL=" + interval.String(), "LB_HEALTH_FAST_INTERVAL=" + fastInterval.String(),
		// What is to happen at once must happen long before, and a slow machine is no failure.
		"LB_CONNECT_TIMEOUT=" + testkit.Patience.String(),
	}, settings...)
}

// The intervals of health checks under quick settings, and what a loaded machine is
// allowed on top of them and of "at once". It is less than the defaults of all settings
// that a test would wait for instead if its own did not hold.
const (
	interval     = time.Second
	fastInterval = 200 * time.Millisecond
	margin       = 5 * time.Second
)

// finished runs the program to its end.
func finished(t *testing.T, settings []string, args ...string) *process {
	t.Helper()
	p := start(t, fourseven(settings, args...))
	p.exitCode()
	return p
}

// balancer is a running fourseven.
type balancer struct {
	*process
	l4, l7, admin string // addresses; empty where it is off
}

// serve starts fourseven under quick settings and these.
func serve(t *testing.T, settings ...string) *balancer {
	t.Helper()
	return listening(t, fourseven(quick(settings...)))
}

// listening starts fourseven by a command and returns when it listens. Its admin
// listener, which opens last, must be on.
func listening(t *testing.T, cmd *exec.Cmd) *balancer {
	t.Helper()
	b := &balancer{process: start(t, cmd)}
	testkit.Eventually(t, "fourseven to listen", func() bool {
		for _, m := range listeningLine.FindAllStringSubmatch(b.output(), -1) {
			*map[string]*string{"l4": &b.l4, "l7": &b.l7, "admin": &b.admin}[m[1]] = m[2]
		}
		if b.ended() {
			t.Fatalf("%s instead of listening", b.cmd.ProcessState)
		}
		return b.admin != ""
	})
	return b
}

// ready starts fourseven by a command, on addresses that it need not tell, and
// returns when it is ready.
func ready(t *testing.T, cmd *exec.Cmd) *balancer {
	t.Helper()
	b := &balancer{l4: testkit.ReserveAddr(t), l7: testkit.ReserveAddr(t), admin: testkit.ReserveAddr(t)}
	cmd.Env = append(cmd.Env, "LB_L4_LISTEN="+b.l4, "LB_L7_LISTEN="+b.l7, "LB_ADMIN_LISTEN="+b.admin)
	b.process = start(t, cmd)
	testkit.Eventually(t, "fourseven to be ready", func() bool {
		a, err := ask(b.admin, "/readyz")
		return err == nil && a.status == http.StatusOK
	})
	return b
}

var listeningLine = regexp.MustCompile(`msg=listening frontend=(l4|l7|admin) addr=(\S+)`)

var healthyLine = regexp.MustCompile(`msg="healthy set" up=\d+ of=\d+ backends=(\S+)\n`)

// awaitHealthy waits until just these backends may take traffic.
func (b *balancer) awaitHealthy(within time.Duration, addrs ...string) {
	b.t.Helper()
	want := strings.Join(addrs, ",")
	testkit.Within(b.t, within, fmt.Sprintf("the healthy set %q", want), func() bool {
		all := healthyLine.FindAllStringSubmatch(b.output(), -1)
		return len(all) > 0 && strings.Trim(all[len(all)-1][1], `"`) == want
	})
}

// goroutines returns how many goroutines the process has, by its own metrics.
func (b *balancer) goroutines() int {
	b.t.Helper()
	m := goroutinesLine.FindStringSubmatch(mustAsk(b.t, b.admin, "/metrics"))
	if m == nil {
		b.t.Fatal("no go_goroutines in the metrics")
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

var goroutinesLine = regexp.MustCompile(`(?m)^go_goroutines (\d+)$`)
