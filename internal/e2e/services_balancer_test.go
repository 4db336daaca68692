//go:build linux

package e2e

import (
	"regexp"
	"testing"

	"fourseven/internal/testkit"
)

// multi is a running fourseven with several services.
type multi struct {
	*process
	admin string
	at    map[string]string // addresses by service and frontend, such as "rw l4" or "a,b l4"
}

// quickServices are what quick is for services: settings of the process, and defaults of
// the services.
func quickServices(settings ...string) []string {
	return append([]string{
		"LB_ADMIN_LISTEN=127.0.0.1:0", "LB_HEALTH_INTERVAL=" + interval.String(), "LB_HEALTH_FAST_INTERVAL=" + fastInterval.String(),
		"LB_CONNECT_TIMEOUT=" + testkit.Patience.String(),
	}, settings...)
}

// serveServices starts fourseven under quick settings and these, and returns when it
// listens.
func serveServices(t *testing.T, settings ...string) *multi {
	t.Helper()
	m := &multi{process: start(t, fourseven(quickServices(settings...))), at: map[string]string{}}
	testkit.Eventually(t, "fourseven to listen", func() bool {
		for _, found := range serviceLine.FindAllStringSubmatch(m.output(), -1) {
			m.at[found[1]+" "+found[2]] = found[3]
		}
		if m.ended() {
			t.Fatalf("%s instead of listening", m.cmd.ProcessState)
		}
		m.admin = m.at[" admin"]
		return m.admin != ""
	})
	return m
}

var serviceLine = regexp.MustCompile(`msg=listening (?:services?=([a-z0-9,]+) )?frontend=(l4|l7|admin) addr=(\S+)`)
