//go:build linux

package e2e

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

// TestComposeScale starts deploy/compose with five containers of one
// service, and sees both frontends spread over all of them, and then over the
// three that are left.
func TestComposeScale(t *testing.T) {
	needDocker(t)
	c := newCompose(t, "deploy/compose/docker-compose.yml", "backend")
	c.run("up", "-d", "--no-build", "--scale", "backend=5")
	testkit.Eventually(t, "fourseven to be up", func() bool { return c.run("port", "fourseven", "8000") != "" })
	l4, l7 := c.url("fourseven", "9000"), c.url("fourseven", "8000")
	waitUntilServed(t, l7)
	waitUntilServed(t, c.url("fourseven", "9900")+"readyz")
	for _, n := range []string{"5", "3"} {
		c.run("up", "-d", "--no-build", "--no-recreate", "--scale", "backend="+n)
		for name, url := range map[string]string{"L4": l4, "L7": l7} {
			want := int(n[0] - '0')
			testkit.Eventually(t, name+" to spread over "+n, func() bool {
				answers := get(t, slices.Repeat([]string{url}, 2*want)...)
				return len(twice(answers)) == want
			})
		}
	}
}

// waitUntilServed waits for the first backends to be found.
func waitUntilServed(t *testing.T, url string) {
	t.Helper()
	testkit.Eventually(t, "a backend to be found", func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// twice returns the answers that came exactly twice.
func twice(answers []string) []string {
	times := map[string]int{}
	for _, a := range answers {
		times[a]++
	}
	var all []string
	for a, n := range times {
		if n == 2 {
			all = append(all, a)
		}
	}
	return all
}

// TestComposeHandover replaces blue by green as deploy/compose/handover.yml
// says, under load.
func TestComposeHandover(t *testing.T) {
	needDocker(t)
	c := newComposeOf(t, "deploy/compose/handover.yml", map[string][]string{".": {"blue", "green"}})
	l4, l7 := testkit.ReserveAddr(t), testkit.ReserveAddr(t)
	c.env = []string{
		"BACKENDS=" + strings.TrimPrefix(backendsOf(startBackends(t, 2)), "LB_BACKENDS="),
		"L4_PORT=" + port(t, l4), "L7_PORT=" + port(t, l7),
		"BLUE_PORT=" + port(t, testkit.ReserveAddr(t)), "GREEN_PORT=" + port(t, testkit.ReserveAddr(t)),
	}
	c.run("up", "-d", "--no-build", "blue")
	c.waitHealthy("blue")
	load := newLoad()
	tallies := []*tally{{t: t, kind: "L4 connection"}, {t: t, kind: "HTTP request, kept"}}
	load.each(50, func() { tallies[0].count(askOnce(l4)) })
	load.wg.Go(func() { load.keep(l7, tallies[1], 1) })
	for _, next := range [][2]string{{"green", "blue"}, {"blue", "green"}} {
		c.run("up", "-d", "--no-build", next[0])
		c.waitHealthy(next[0])
		c.run("stop", next[1])
		if got := docker(t, "inspect", "--format", "{{.State.ExitCode}}", c.id(next[1])); got != "0" {
			t.Errorf("%s: exit code %s", next[1], got)
		}
	}
	load.stop()
	for _, c := range tallies {
		t.Logf("%s: %d, %d failed", c.kind, c.done.Load(), c.failed.Load())
	}
}

func port(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
