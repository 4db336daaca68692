//go:build linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"fourseven/internal/testkit"
)

// Pins that a click drains a backend at once, and another one brings it back.
func testPageDrain(t *testing.T, browser context.Context) {
	both := startBackends(t, 2)
	one := both[0]
	lb := serve(t, backendsOf(both))
	tab := openPage(t, browser, lb)

	for _, tt := range []struct{ mode, shown string }{{"drain", "Drained"}, {"down", "Down"}} {
		tab.click(one.in("[data-action=" + tt.mode + "]"))
		tab.awaitText(testkit.Patience, one.in("[data-part=state]"), tt.shown)
		if got := servedBy(t, repeat(4, lb.l7, lb.l4)...); got != "22222222" {
			t.Errorf("answers from %s under %s, want 2 alone", got, tt.mode)
		}
		tab.click(one.in("[data-action=ready]"))
		tab.awaitText(testkit.Patience, one.in("[data-part=state]"), "Up")
		if got := servedBy(t, repeat(4, lb.l7)...); got != "1212" && got != "2121" {
			t.Errorf("answers from %s once it is ready, want the two in turn", got)
		}
	}
}

// Pins that a weight counts from the next turn on, set by the Enter key as well as
// by the button.
func testPageWeight(t *testing.T, browser context.Context) {
	both := startBackends(t, 2)
	one := both[0]
	lb := serve(t, backendsOf(both))
	tab := openPage(t, browser, lb)
	field, button := one.in("[data-part=weight]"), one.in("[data-part=setWeight]")

	tab.fill(field, "3\n")
	tab.awaitText(testkit.Patience, one.in("[data-part=configured]"), "configured 1")
	if got := servedBy(t, repeat(8, lb.l7)...); strings.Count(got, "1") != 6 {
		t.Errorf("answers from %s, want 1 six times of 8", got)
	}
	tab.fill(field, "1")
	tab.click(button)
	testkit.Eventually(t, "the configured weight", func() bool { return tab.text(one.in("[data-part=configured]")) == "" })
	if got := servedBy(t, repeat(8, lb.l7)...); strings.Count(got, "1") != 4 {
		t.Errorf("answers from %s, want 1 four times of 8", got)
	}

	tab.fill(field, "5\n")
	tab.awaitText(testkit.Patience, one.in("[data-part=resetWeight]"), "Reset to 1")
	tab.click(one.in("[data-part=resetWeight]"))
	testkit.Eventually(t, "the configured weight again", func() bool { return tab.text(one.in("[data-part=resetWeight]")) == "" })
	if got := servedBy(t, repeat(8, lb.l7)...); strings.Count(got, "1") != 4 {
		t.Errorf("answers from %s after the reset, want 1 four times of 8", got)
	}

	tab.fill(field, "1000\n") // the browser knows the limit, and asks nobody
	if value[bool](tab, fmt.Sprintf("document.querySelector(%q).validity.valid", field)) {
		t.Error("a weight of 1000 is taken as valid")
	}
}

// Pins that a drained backend's live connections can be reset, once the operator
// has said yes.
func testPageClose(t *testing.T, browser context.Context) {
	both := startBackends(t, 2)
	one := both[0]
	lb := serve(t, backendsOf(both))
	tab := openPage(t, browser, lb)
	conn := dial(t, lb.l4)
	talk(t, conn) // with the backend servedBy turn is first
	other := dial(t, lb.l4)
	talk(t, other)
	tab.click(one.in("[data-action=drain]"))
	tab.awaitText(testkit.Patience, one.in("[data-part=close]"), "Close connections")

	value[bool](tab, "window.confirm = (text) => { window.asked = text; return false }, true")
	tab.click(one.in("[data-part=close]"))
	if got, want := value[string](tab, "window.asked"), "Reset the L4 and upgraded connections of "+one.addr+"?"; got != want {
		t.Errorf("asks %q, want %q", got, want)
	}
	talk(t, conn)
	value[bool](tab, "window.confirm = () => true, true")
	tab.click(one.in("[data-part=close]"))
	if _, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v, want a reset", err)
	}
	tab.awaitText(testkit.Patience, one.in("[data-part=state]"), "Drained")
	talk(t, other)
}

// talk does one exchange on a connection that goes on.
func talk(t *testing.T, conn net.Conn) {
	t.Helper()
	request(t, conn, "/")
	response(t, conn)
}

// Pins that with a token set nothing is changed without it, that the page says so
// and asks, and that it goes on with what it was asked for.
func testPageToken(t *testing.T, browser context.Context) {
	const secret = "correct-horse-battery"
	both := startBackends(t, 2)
	one := both[0]
	lb := serve(t, backendsOf(both), "LB_ADMIN_TOKEN="+secret)
	tab := openPage(t, browser, lb)

	tab.click(one.in("[data-action=drain]"))
	tab.awaitText(testkit.Patience, "#notice-text", "Could not set "+one.addr+" to drain: it needs the admin token")
	if got := servedBy(t, repeat(4, lb.l7)...); got != "1212" && got != "2121" {
		t.Errorf("answers from %s after a refusal, want the two in turn", got)
	}
	tab.fill("#token", "wrong\n")
	tab.awaitText(testkit.Patience, "#notice-text", "the admin token is wrong")
	tab.expect("401")

	tab.fill("#token", secret+"\n")
	tab.awaitText(testkit.Patience, one.in("[data-part=state]"), "Drained")
	if got := servedBy(t, repeat(4, lb.l7)...); got != "2222" {
		t.Errorf("answers from %s once it is drained, want 2 alone", got)
	}
	if got := tab.text("#notice"); got != "" {
		t.Errorf("after the right token the notice still says %q", got)
	}
	tab.click(one.in("[data-action=ready]")) // the token is kept
	tab.awaitText(testkit.Patience, one.in("[data-part=state]"), "Up")

	tab.click("#forget")
	tab.click(one.in("[data-action=drain]"))
	tab.awaitText(testkit.Patience, "#notice-text", "it needs the admin token")
	tab.expect("401")
}
