//go:build linux

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
	"fourseven/internal/testkit/chromium"

	"github.com/chromedp/chromedp"
)

// TestPage looks at the page of the running program in a real browser.
func TestPage(t *testing.T) {
	browser := chromium.Start(t)
	for _, tt := range []struct {
		name string
		test func(*testing.T, context.Context)
	}{
		{"down", testPageDown},
		{"drain", testPageDrain},
		{"weight", testPageWeight},
		{"close", testPageClose},
		{"token", testPageToken},
		{"figures", testPageFigures},
		{"reload", testPageReload},
		{"lost", testPageLost},
		{"shutdown", testPageShutdown},
		{"services", testPageServices},
		{"roles", testPageRoles},
		{"hostile", testPageHostile},
		{"policy", testPagePolicy},
		{"fits", testPageFits},
		{"degraded", testPageDegraded},
		{"many", testPageMany},
		{"kept", testPageKept},
		{"last", testPageLast},
		{"connections", testPageConnections},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, browser) })
	}
}

// shownWithin is how soon the page shows what the program knows: it asks each second.
const shownWithin = time.Second + margin

// openPage opens the page and waits for its first figures.
func openPage(t *testing.T, browser context.Context, lb *balancer, before ...chromedp.Action[chromedp.Void]) *tab {
	t.Helper()
	tab := openTab(t, browser, "http://"+lb.admin+"/", before...)
	tab.awaitText(testkit.Patience, "#updated", ":")
	return tab
}

// in returns the selector of a part of a backend's row.
func (b *backend) in(part string) string {
	return fmt.Sprintf(`[data-backend="%s"] %s`, b.addr, part)
}

// Pins that a backend which goes down is shown as such, with the cause, soon
// after the program knows and without the page being loaded again.
func testPageDown(t *testing.T, browser context.Context) {
	both := startBackends(t, 2)
	one, two := both[0], both[1]
	lb := serve(t, backendsOf(both))
	tab := openPage(t, browser, lb)
	tab.awaitText(testkit.Patience, one.in("[data-part=state]"), "Up")
	value[bool](tab, "window.sameDocument = true")

	one.stop()
	lb.awaitOutputWithin(interval+fastInterval+margin, 1, `msg="backend down" backend=`+one.addr)
	known := time.Now()
	tab.awaitText(shownWithin, one.in("[data-part=state]"), "Down")
	tab.awaitText(shownWithin-time.Since(known), one.in("[data-part=cause]"), "connection refused")
	if got := tab.text(two.in("[data-part=state]")); got != "Up" {
		t.Errorf("the other backend is shown as %q", got)
	}
	tab.awaitText(shownWithin, "#events", one.addr+" is down: dial "+one.addr)
	tab.awaitText(shownWithin, "#available", "1 of 2")

	one.start(t)
	tab.awaitText(interval+margin+shownWithin, one.in("[data-part=state]"), "Up")
	if got := tab.text(one.in("[data-part=cause]")); got != "" {
		t.Errorf("once it is up its cause is %q, want none", got)
	}
	if !value[bool](tab, "window.sameDocument === true") {
		t.Error("the page was loaded again")
	}
}

// Pins that the figures are those of the traffic, and that the charts have a line.
func testPageFigures(t *testing.T, browser context.Context) {
	both := startBackends(t, 2)
	lb := serve(t, backendsOf(both))
	tab := openPage(t, browser, lb)
	servedBy(t, repeat(10, lb.l7)...)
	servedBy(t, repeat(5, lb.l4)...)
	if a, err := ask(lb.l7, "/slow?head=1ms"); err != nil || len(a.body) != slowBody {
		t.Fatalf("%d bytes, %v", len(a.body), err)
	}

	l4, l7 := `[data-frontend="l4"] `, `[data-frontend="l7"] `
	tab.awaitText(testkit.Patience, l7+".totals", "Responses\n11")
	tab.awaitText(testkit.Patience, l7+".totals", "Connections\n11")
	tab.awaitText(testkit.Patience, l7+".totals", "Out\n6") // 65.5 kB and the heads
	tab.awaitText(testkit.Patience, l4+".totals", "Connections\n5")
	tab.awaitText(testkit.Patience, l4+"[data-part=closed]", "eof 5")
	tab.awaitText(testkit.Patience, l4+"[data-part=rejected]", "")
	for _, b := range both {
		number := func(part string) string {
			return fmt.Sprintf("Number(document.querySelector(%q).innerText)", b.in(part))
		}
		testkit.Eventually(t, b.addr+" to have half of the connections and requests", func() bool {
			return value[int](tab, number("[data-part=connections]")+" + "+number("[data-part=requestsTotal]")) == 8
		})
		tab.awaitText(testkit.Patience, b.in("[data-part=responses]"), "2xx")
		tab.awaitText(testkit.Patience, b.in("[data-part=response99]"), "s") // ms or µs
		tab.awaitText(testkit.Patience, b.in("[data-part=errorRate]"), "0 %")
	}
	for _, chart := range []string{l4, l7, both[0].in("")} {
		testkit.Eventually(t, chart+"to have a line", func() bool {
			return value[bool](tab, fmt.Sprintf("document.querySelector(`%spath.line`).getAttribute('d').includes('L')", chart))
		})
	}
}

// Pins that a list of backends which was refused can be seen, until one is taken.
func testPageReload(t *testing.T, browser context.Context) {
	b := startBackends(t, 1)[0]
	path := filepath.Join(t.TempDir(), "backends")
	reload := func(lb *balancer, list string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(list+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if lb != nil {
			lb.signal(syscall.SIGHUP)
		}
	}
	reload(nil, b.addr)
	lb := serve(t, "LB_BACKENDS_FILE="+path)
	tab := openPage(t, browser, lb)
	if got := tab.text("#reload"); got != "" {
		t.Errorf("before any reload it says %q", got)
	}
	reload(lb, "$HOST:80")
	tab.awaitText(testkit.Patience, "#reload", "LB_BACKENDS was read again at")
	tab.awaitText(testkit.Patience, "#reload", "The old value still holds.")
	reload(lb, b.addr)
	testkit.Eventually(t, "the message goes", func() bool { return tab.text("#reload") == "" })
}

// Pins that the page says when the program does not answer, and goes on once it
// does.
func testPageLost(t *testing.T, browser context.Context) {
	both := startBackends(t, 2)
	settings := []string{backendsOf(both), "LB_ADMIN_LISTEN=" + testkit.ReserveAddr(t)}
	lb := serve(t, settings...)
	tab := openPage(t, browser, lb)

	lb.kill()
	tab.awaitText(testkit.Patience, "#lost", "No news from fourseven since")
	tab.awaitText(testkit.Patience, "#state", "Unreachable")
	if got := tab.text(both[0].in("[data-part=state]")); got != "Up" {
		t.Errorf("what was known is gone: %q", got)
	}
	tab.click(both[0].in("[data-action=drain]"))
	tab.awaitText(testkit.Patience, "#notice-text", "the program does not respond")

	serve(t, settings...)
	tab.awaitText(testkit.Patience, "#state", "Ready")
	tab.awaitText(testkit.Patience, "#events", "fourseven was restarted")
	if got := tab.text("#lost"); got != "" {
		t.Errorf("it still says %q", got)
	}
	tab.expect("Failed to load resource")
}

// Pins that a shutdown is shown with what is left to drain.
func testPageShutdown(t *testing.T, browser context.Context) {
	lb := serve(t, backendsOf(startBackends(t, 2)), "LB_DRAIN_TIMEOUT=1h")
	tab := openPage(t, browser, lb)
	conns := []net.Conn{dial(t, lb.l4), dial(t, lb.l4)}
	tab.awaitText(testkit.Patience, `[data-frontend="l4"] [data-part=active]`, "2")

	lb.signal(syscall.SIGTERM)
	tab.awaitText(testkit.Patience, "#state", "Draining")
	tab.awaitText(testkit.Patience, "#drain-text", "Draining: 2 connections left.")
	_ = conns[0].Close()
	tab.awaitText(testkit.Patience, "#drain-text", "Draining: 1 connection left.")
	if got := value[float64](tab, "document.querySelector('#drain-progress').position"); got != 0.5 {
		t.Errorf("with one of two connections left the progress is %v", got)
	}
	_ = conns[1].Close()
	lb.wantExit(exitOK)
	tab.awaitText(testkit.Patience, "#lost", "It was draining, so it has probably stopped.")
	tab.expect("Failed to load resource")
}

// Pins that what a backend says is text, whatever it says.
func testPageHostile(t *testing.T, browser context.Context) {
	const markup = `<img src=/nowhere onerror=document.title=1>`
	one := startBackends(t, 1)[0]
	lb := serve(t, "LB_BACKENDS="+one.addr, "LB_L7_LISTEN=off", `LB_HEALTH_SEND=GET / HTTP/1.0\r\n\r\n`, "LB_HEALTH_EXPECT="+markup)
	tab := openPage(t, browser, lb)
	tab.awaitText(testkit.Patience, one.in("[data-part=cause]"), markup)
	if n := value[int](tab, "document.querySelectorAll('main img').length"); n != 0 {
		t.Errorf("the cause became %d images", n)
	}
}

// Pins that the policy holds in the browser, and that the tests here would hear of
// a violation.
func testPagePolicy(t *testing.T, browser context.Context) {
	lb := serve(t, backendsOf(startBackends(t, 1)))
	tab := openPage(t, browser, lb)
	for what, attempt := range map[string]string{
		"an inline script":        "{ const s = document.createElement('script'); s.textContent = 'window.broken = true'; document.head.append(s) }",
		"an inline style":         "{ const s = document.createElement('style'); s.textContent = 'body { display: none }'; document.head.append(s); window.broken = getComputedStyle(document.body).display === 'none' }",
		"a script of other hosts": "{ const s = document.createElement('script'); s.src = 'http://127.0.0.2/x.js'; document.head.append(s) }",
	} {
		if value[bool](tab, attempt+"; window.broken === true") {
			t.Errorf("%s takes effect", what)
		}
		tab.expect("Content Security Policy")
	}
}

// Pins that nothing sticks out of the screen, in the colors that the user prefers.
func testPageFits(t *testing.T, browser context.Context) {
	both := startBackends(t, 2)
	lb := serve(t, backendsOf(both))
	tab := openPage(t, browser, lb, phone(), chromium.Scheme("dark"))
	both[0].stop()
	tab.awaitText(testkit.Patience, both[0].in("[data-part=cause]"), "refused")
	tab.wantFits("phone")
	if got := value[string](tab, "getComputedStyle(document.body).backgroundColor"); got != "rgb(15, 18, 24)" {
		t.Errorf("the background is %s in the dark", got)
	}
	tab.do(chromium.Scheme("light"))
	if got := value[string](tab, "getComputedStyle(document.body).backgroundColor"); got != "rgb(244, 245, 247)" {
		t.Errorf("the background is %s in the light", got)
	}
	for _, width := range []int64{390, 640, 760, 820, 900, 1080, 1081, 1280, 1440, 1920} {
		tab.do(chromedp.EmulateViewport(width, 800))
		tab.wantFits(fmt.Sprintf("%d points", width))
	}
}

// wantFits wants no element to reach beyond the right edge of the screen.
func (b *tab) wantFits(screen string) {
	b.t.Helper()
	const beyond = `[...document.querySelectorAll("body *")]
		.filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5)
		.map((e) => e.tagName + "." + e.className + " " + e.textContent.slice(0, 40)).slice(0, 5).join("; ")`
	if got := value[string](b, beyond); got != "" {
		b.t.Errorf("%s: beyond the edge: %s", screen, got)
	}
	if wide := value[bool](b, "document.documentElement.scrollWidth > document.documentElement.clientWidth"); wide {
		b.t.Errorf("%s: it scrolls sideways", screen)
	}
}
