//go:build linux

package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"fourseven/internal/testkit"
)

// Pins that the page has a section for each service, and that a click steers the backend
// of that service alone.
func testPageServices(t *testing.T, browser context.Context) {
	one := startBackends(t, 1)[0]
	lb := serveServices(t, "LB_SERVICES=rw,ro", "LB_BACKENDS="+one.addr, "LB_RW_MAX_CONNS=50",
		"LB_RW_L4_LISTEN=127.0.0.1:0", "LB_RW_L7_LISTEN=127.0.0.1:0", "LB_RO_L4_LISTEN=127.0.0.1:0")
	tab := openPage(t, browser, &balancer{process: lb.process, admin: lb.admin})
	in := func(service, rest string) string { return fmt.Sprintf(`[data-service="%s"] %s`, service, rest) }
	tab.awaitText(testkit.Patience, in("rw", "h2"), "rw")
	tab.awaitText(testkit.Patience, in("rw", "[data-part=facts]"), "1 of 1 available, 50 connections at most")
	tab.awaitText(testkit.Patience, in("ro", one.in("[data-part=state]")), "Up")
	servedBy(t, repeat(3, lb.at["rw l7"])...)
	tab.awaitText(testkit.Patience, in("rw", `[data-frontend="l7"] .totals`), "Responses\n3")
	if n := value[int](tab, "document.querySelectorAll('[data-frontend]').length"); n != 3 {
		t.Errorf("%d frontends, want 3", n)
	}

	value[bool](tab, "window.confirm = () => true, true") // it is the last one
	tab.click(in("ro", one.in("[data-action=drain]")))
	tab.awaitText(testkit.Patience, in("ro", one.in("[data-part=state]")), "Drained")
	tab.awaitText(testkit.Patience, in("ro", "[data-part=state]"), "No backend is up")
	tab.awaitText(testkit.Patience, "#events", "ro: "+one.addr+" was set to drain")
	tab.awaitText(testkit.Patience, "#available", "1 of 2")
	if got := tab.text(in("rw", one.in("[data-part=state]"))); got != "Up" {
		t.Errorf("in the other service it is %q", got)
	}
	wantResetAtOnce(t, lb.at["ro l4"])
	servedBy(t, lb.at["rw l4"])
	for _, width := range []int64{360, 900, 1280} {
		tab.do(chromedp.EmulateViewport(width, 800))
		tab.wantFits(fmt.Sprintf("%d points", width))
	}
}
