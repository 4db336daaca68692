//go:build linux

package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

// TestBlueGreen runs the recipe for blue and green under load: it moves to green, stops
// blue, starts it again and moves back, and no connection and no request fails.
func TestBlueGreen(t *testing.T) {
	t.Parallel()
	all := startBackends(t, 4)
	blue, green := all[:2], all[2:]
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	lb := runRecipe(t, recipe(t, "blue-green", "/run/secrets/admin-token", secret,
		"blue1:8080", blue[0].addr, "blue2:8080", blue[1].addr, "green1:8080", green[0].addr, "green2:8080", green[1].addr))
	lb.awaitOutput(1, `msg="healthy set" up=4 of=4`)
	wantServedByOnly(t, lb, "12")

	load := newLoad()
	tallies := []*tally{{t: t, kind: "L4 connection"}, {t: t, kind: "HTTP connection"}, {t: t, kind: "HTTP request, kept"}}
	load.each(50, func() { tallies[0].count(askOnce(lb.l4)) })
	load.each(50, func() { tallies[1].count(askOnce(lb.l7)) })
	for i := range 4 {
		load.wg.Go(func() { load.keep(lb.l7, tallies[2], i+1) })
	}
	defer load.stop()
	awaitMore := func() {
		for _, c := range tallies {
			before := c.done.Load()
			testkit.Eventually(t, c.kind+"s", func() bool { return c.done.Load() >= before+10 })
		}
	}
	sessions := openSessions(t, lb.l4, lb.l7)
	for _, s := range sessions {
		if !strings.Contains("12", s.backend) {
			t.Errorf("a session is on backend %s", s.backend)
		}
	}
	setMode(t, lb, blue[0], "drain")
	wantServedByOnly(t, lb, "2")
	setMode(t, lb, blue[1], "drain")
	wantServedByOnly(t, lb, "34")
	awaitMore()
	sayAll(t, sessions)
	endAll(t, sessions)
	for _, b := range blue {
		testkit.Eventually(t, b.addr+" to have no connections", func() bool { return activeConnections(t, lb, b) == 0 })
		b.stop()
	}
	awaitMore()
	wantServedByOnly(t, lb, "34")

	for _, b := range blue {
		b.start(t)
		setMode(t, lb, b, "ready")
	}
	lb.awaitHealthy(interval+margin, all[0].addr, all[1].addr, all[2].addr, all[3].addr)
	wantServedByOnly(t, lb, "12")
	awaitMore()
}

// wantServedByOnly wants all of these backends, by their digits, to answer, and no other.
func wantServedByOnly(t *testing.T, lb *balancer, numbers string) {
	t.Helper()
	testkit.Eventually(t, "each of "+numbers+" to answer", func() bool {
		got := servedBy(t, repeat(4, lb.l4, lb.l7)...)
		if strings.Trim(got, numbers) != "" {
			t.Fatalf("answers from %s, want %s alone", got, numbers)
		}
		for _, number := range numbers {
			if !strings.ContainsRune(got, number) {
				return false // the load may have taken its turns
			}
		}
		return true
	})
}

func setMode(t *testing.T, lb *balancer, b *backend, mode string) {
	t.Helper()
	code, text := order(t, "POST", "http://"+lb.admin+"/api/backends/"+b.addr+"/"+mode, "", "hush")
	if code != http.StatusOK {
		t.Fatalf("%s %s: %d %s", mode, b.addr, code, text)
	}
}

func activeConnections(t *testing.T, lb *balancer, b *backend) int {
	t.Helper()
	var status struct {
		Active *int `json:"active_connections"`
	}
	text := mustAsk(t, lb.admin, "/api/backends/"+b.addr)
	if err := json.Unmarshal([]byte(text), &status); err != nil || status.Active == nil {
		t.Fatalf("%s: %v", text, err)
	}
	return *status.Active
}
