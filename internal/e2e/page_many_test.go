//go:build linux

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"fourseven/internal/testkit"

	"github.com/chromedp/chromedp"
)

// shown returns the backends that can be seen, from the first row to the last.
func (b *tab) shown() []string {
	b.t.Helper()
	return value[[]string](b, `[...document.querySelectorAll("[data-backend]")].filter((e) => e.checkVisibility()).map((e) => e.dataset.backend)`)
}

// wantShown waits until these backends are shown, in this order.
func (b *tab) wantShown(what string, want ...string) {
	b.t.Helper()
	testkit.Eventually(b.t, what, func() bool { return slices.Equal(b.shown(), want) })
}

// Pins the third state: the page, the title and the icon show how many are down, and a link
// leads to them.
func testPageDegraded(t *testing.T, browser context.Context) {
	all := stageBackends(t, 8)
	s := &stage{backends: all}
	s.lb = serve(t, "LB_BACKENDS="+list(all))
	tab := openPage(t, browser, s.lb)
	tab.awaitText(testkit.Patience, "#state", "Ready")
	icon := func() string {
		return value[string](tab, "document.querySelector('link[rel=icon]').getAttribute('href')")
	}
	if got := icon(); got != "page/icon.svg" {
		t.Errorf("the icon is %s while all is well", got)
	}
	s.down(t, all[5:7])
	tab.awaitText(testkit.Patience, "#state", "Degraded: 2 of 8 down")
	if got := value[string](tab, "document.title"); got != "2 of 8 down · fourseven" {
		t.Errorf("the title is %q", got)
	}
	if got := icon(); got != "page/icon-degraded.svg" {
		t.Errorf("the icon is %s", got)
	}
	tab.click("#state")
	tab.wantShown("those that are down alone", all[5].addr, all[6].addr)
	testkit.Eventually(t, "the first of them to be on the screen", func() bool {
		return value[bool](tab, fmt.Sprintf(`((box) => box.top >= 0 && box.bottom <= innerHeight)(document.querySelector("[data-backend='%s']").getBoundingClientRect())`, all[5].addr))
	})
	s.down(t, all)
	tab.awaitText(testkit.Patience, "#state", "Not ready: no backend is up")
	if got := icon(); got != "page/icon-down.svg" {
		t.Errorf("the icon is %s", got)
	}
}

// Pins that many backends take a line each, that those in trouble come first, and that a
// search, a filter and an order find the others.
func testPageMany(t *testing.T, browser context.Context) {
	all := stageBackends(t, 14)
	s := &stage{backends: all}
	s.lb = serve(t, "LB_BACKENDS="+list(all), "LB_ADMIN_LISTEN=127.0.0.1:0")
	s.down(t, all[9:11])
	s.post(t, "/api/backends/"+all[3].addr+"/drain")
	tab := openPage(t, browser, s.lb)
	var up []string
	for i, b := range all {
		if i != 3 && i != 9 && i != 10 {
			up = append(up, b.addr)
		}
	}
	tab.wantShown("those in trouble come first", slices.Concat([]string{all[9].addr, all[10].addr, all[3].addr}, up)...)
	for _, filter := range []struct {
		kind string
		want []string
	}{
		{"down", []string{all[9].addr, all[10].addr}}, {"drain", []string{all[3].addr}}, {"up", up},
		{"up", slices.Concat([]string{all[9].addr, all[10].addr, all[3].addr}, up)}, // again: all
	} {
		tab.click(fmt.Sprintf("#filters [data-kind=%s]", filter.kind))
		tab.wantShown("the filter "+filter.kind, filter.want...)
	}
	tab.fill("#search", strings.Split(all[12].addr, ":")[0])
	tab.wantShown("what was searched for", all[12].addr)
	tab.fill("#search", "refused")
	tab.wantShown("those whose error has a word", all[9].addr, all[10].addr)
	tab.fill("#search", "nowhere")
	tab.wantShown("nothing")
	tab.awaitText(testkit.Patience, "#none", "No backend matches.")
	value[bool](tab, `((e) => { e.value = ""; e.dispatchEvent(new Event("input")); const s = document.getElementById("sort"); s.value = "list"; s.dispatchEvent(new Event("change")); return true })(document.getElementById("search"))`)
	var configured []string
	for _, b := range all {
		configured = append(configured, b.addr)
	}
	tab.wantShown("the order of the list", configured...)

	height := fmt.Sprintf(`document.querySelector("[data-backend='%s']").getBoundingClientRect().height`, all[0].addr)
	if got := value[float64](tab, height); got > 44 {
		t.Errorf("one of many is %v points high", got)
	}
	tab.click(fmt.Sprintf(`[data-backend="%s"] [data-part=more]`, all[0].addr))
	tab.awaitText(testkit.Patience, fmt.Sprintf(`[data-backend="%s"] [data-action=drain]`, all[0].addr), "Drain")
	for _, width := range []int64{360, 390, 640, 760, 820, 1080, 1440} {
		tab.do(chromedp.EmulateViewport(width, 800))
		tab.wantFits(fmt.Sprintf("%d points", width))
	}
	tab.do(chromedp.EmulateViewport(390, 800))
	top := fmt.Sprintf(`document.querySelector("[data-backend='%s']").getBoundingClientRect().top + scrollY`, all[0].addr)
	if got := value[float64](tab, top); got > 500 {
		t.Errorf("on a phone the backends begin after %v points", got)
	}
}

// points returns how many points the first line of a chart has.
func (b *tab) points(within string) int {
	b.t.Helper()
	return value[int](b, fmt.Sprintf("document.querySelector(`%s path.line`).getAttribute('d').split('L').length", within))
}

// Pins that charts and events are kept when the page is reloaded, with the client that made
// each change.
func testPageKept(t *testing.T, browser context.Context) {
	both := startBackends(t, 2)
	lb := serve(t, backendsOf(both))
	tab := openPage(t, browser, lb)
	tab.click(both[0].in("[data-action=drain]"))
	tab.awaitText(testkit.Patience, "#events", both[0].addr+" was set to drain by this machine, from 127.0.0.1")
	charts := []string{`[data-frontend="l4"]`, both[1].in("")}
	for _, chart := range charts {
		testkit.Eventually(t, chart+" to have a line", func() bool { return tab.points(chart) > 8 })
	}
	again := openPage(t, browser, lb)
	for _, chart := range charts {
		if n := again.points(chart); n < 3 {
			t.Errorf("%s: %d points right after the page was opened", chart, n)
		}
	}
	again.awaitText(testkit.Patience, "#events", both[0].addr+" was set to drain by this machine, from 127.0.0.1")
	again.awaitText(testkit.Patience, "#events", "was started")
}

// Pins that the page asks before the last backend loses its traffic, and not before.
func testPageLast(t *testing.T, browser context.Context) {
	both := startBackends(t, 2)
	lb := serve(t, backendsOf(both))
	tab := openPage(t, browser, lb)
	value[bool](tab, "window.asked = '', window.confirm = (text) => { window.asked = text; return false }, true")
	tab.click(both[0].in("[data-action=drain]"))
	tab.awaitText(testkit.Patience, both[0].in("[data-part=state]"), "Drained")
	if got := value[string](tab, "window.asked"); got != "" {
		t.Errorf("for the first of two it asks %q", got)
	}
	for _, mode := range []string{"drain", "down"} {
		tab.click(both[1].in("[data-action=" + mode + "]"))
		if got, want := value[string](tab, "window.asked"), both[1].addr+" is the last backend that takes traffic"; !strings.HasPrefix(got, want) {
			t.Errorf("before %s it asks %q, want %q", mode, got, want)
		}
	}
	if got := servedBy(t, repeat(2, lb.l7)...); got != "22" {
		t.Errorf("answers from %s after a no, want 2 alone", got)
	}
	value[bool](tab, "window.confirm = () => true, true")
	tab.click(both[1].in("[data-action=down]"))
	tab.awaitText(testkit.Patience, "#state", "Not ready: no backend is up")
}

// Pins that open connections can be looked at, and closed one by one.
func testPageConnections(t *testing.T, browser context.Context) {
	lb := serve(t, backendsOf(startBackends(t, 1)))
	conn, other := dial(t, lb.l4), dial(t, lb.l4)
	talk(t, conn)
	talk(t, other)
	tab := openPage(t, browser, lb)
	if got := tab.text("#connections-table"); got != "" {
		t.Errorf("before it is opened the list has %q", got)
	}
	tab.click("#connections-section summary")
	for _, order := range []string{"longest", "busiest"} {
		tab.click("[data-order=" + order + "]")
		for _, c := range []string{conn.LocalAddr().String(), other.LocalAddr().String()} {
			tab.awaitText(testkit.Patience, "#connections-table", c)
		}
	}
	tab.wantFits("a list of connections")
	for _, width := range []int64{390, 820, 1280} {
		tab.do(chromedp.EmulateViewport(width, 800))
		tab.wantFits(fmt.Sprintf("a list of connections on %d points", width))
	}
	row := value[string](tab, fmt.Sprintf(`[...document.querySelectorAll("[data-connection]")].find((e) => e.innerText.includes(%q)).dataset.connection`, conn.LocalAddr()))
	value[bool](tab, "window.confirm = (text) => { window.asked = text; return true }, true")
	tab.click(fmt.Sprintf(`[data-connection="%s"] [data-part=close]`, row))
	wantReset(t, conn)
	if got, want := value[string](tab, "window.asked"), fmt.Sprintf("Reset the connection of %s?", conn.LocalAddr()); got != want {
		t.Errorf("asks %q, want %q", got, want)
	}
	tab.awaitText(testkit.Patience, "#events", fmt.Sprintf("connection of %s was closed by this machine", conn.LocalAddr()))
	talk(t, other)
}
