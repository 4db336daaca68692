//go:build linux

package e2e

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"fourseven/internal/testkit"
)

// Pins that the page shows a standby in grey, with the reason, and which backend takes all
// connections; and that both follow a switch.
func testPageRoles(t *testing.T, browser context.Context) {
	var primary atomic.Int32 // which of them it is
	var both []*backend
	for i := range int32(2) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if primary.Load() != i {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		t.Cleanup(srv.Close)
		both = append(both, &backend{addr: srv.Listener.Addr().String()})
	}
	lb := serve(t, backendsOf(both), "LB_BALANCE=single", "LB_HEALTH_STANDBY_STATUS=503")
	tab := openPage(t, browser, lb)
	for _, is := range []int{0, 1} {
		primary.Store(int32(is))
		active, standby := both[is], both[1-is]
		tab.awaitText(testkit.Patience, standby.in("[data-part=state]"), "Standby")
		tab.awaitText(testkit.Patience, standby.in("[data-part=cause]"), "GET /health: status 503: standby")
		tab.awaitText(testkit.Patience, active.in("[data-part=state]"), "Up")
		tab.awaitText(testkit.Patience, active.in("[data-part=takes]:not([hidden])"), "active")
		color := `getComputedStyle(document.querySelector('` + standby.in("PART") + `')).color === getComputedStyle(document.querySelector('` + standby.in("[data-part=since]") + `')).color`
		for _, part := range []string{"[data-part=state]", "[data-part=cause]"} {
			if !value[bool](tab, strings.ReplaceAll(color, "PART", part)) {
				t.Errorf("%s of a standby is not grey", part)
			}
		}
		if n := value[int](tab, "document.querySelectorAll('[data-part=takes]:not([hidden])').length"); n != 1 {
			t.Errorf("%d backends are shown as active", n)
		}
	}
	tab.awaitText(testkit.Patience, "#events", both[1].addr+" takes all connections now")
}
