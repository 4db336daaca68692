//go:build linux

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fourseven/internal/testkit"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a page in the browser.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string // what the browser or the page reported as wrong
}

// openTab opens a page, of 1280 by 800 points unless before changes that, and
// closes it with the test. The test fails if the browser reports anything that
// is not expected.
func openTab(t *testing.T, browser context.Context, url string, before ...chromedp.Action[chromedp.Void]) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	b := &tab{t: t, ctx: ctx}
	t.Cleanup(func() {
		cancel()
		if wrong := b.wrong(); len(wrong) > 0 {
			t.Errorf("the browser reports:\n%s", strings.Join(wrong, "\n"))
		}
	})
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(1280, 800))
	b.do(before...)
	b.do(chromedp.Navigate(url))
	return b
}

// hear keeps what is wrong: errors and warnings, exceptions that nothing caught,
// and violations of the Content-Security-Policy, which are errors too.
func (b *tab) hear(event any) {
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.complain(fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	case *runtime.EventExceptionThrown:
		b.complain(fmt.Sprintf("exception: %s: %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		b.complain(fmt.Sprintf("console.%s", e.Type))
	}
}

func (b *tab) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, text)
}

func (b *tab) wrong() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.complaints)
}

// expect wants a complaint that has the text, and takes all that have it as right.
func (b *tab) expect(text string) {
	b.t.Helper()
	testkit.Eventually(b.t, fmt.Sprintf("the browser to report %q", text), func() bool {
		return strings.Contains(strings.Join(b.wrong(), "\n"), text)
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = slices.DeleteFunc(b.complaints, func(c string) bool { return strings.Contains(c, text) })
}

// do takes steps, of which none may take long.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, testkit.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// value returns what an expression comes to.
func value[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, testkit.Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// text returns the text that can be seen of the first element that a selector
// finds, or nothing if none can.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return value[string](b, fmt.Sprintf("((e) => e?.checkVisibility() ? e.innerText : '')(document.querySelector(%q))", selector))
}

// awaitText waits until an element shows a text.
func (b *tab) awaitText(within time.Duration, selector, text string) {
	b.t.Helper()
	testkit.Within(b.t, within, fmt.Sprintf("%s to show %q", selector, text), func() bool {
		return strings.Contains(b.text(selector), text)
	})
}

// click clicks on an element as a mouse does.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// fill types a text into a field in place of what is there.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	value[bool](b, fmt.Sprintf("document.querySelector(%q).select(), true", selector))
	b.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// phone returns a step that gives the page the size of a phone's screen.
func phone() chromedp.Action[chromedp.Void] {
	return chromedp.EmulateViewport(360, 740, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch)
}
