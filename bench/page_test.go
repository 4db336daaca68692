//go:build linux

package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"fourseven/internal/testkit"
	"fourseven/internal/testkit/chromium"

	"github.com/chromedp/chromedp"
)

// pictures keeps what the browser shows, to be looked at after a change of the page.
var pictures = flag.String("pictures", "", "write pictures of the report's page into this `folder`")

// The page fits a phone and a desktop, light and dark: nothing is wider than the
// screen, and no letters of a chart are smaller than can be read.
func TestPageFitsTheScreen(t *testing.T) {
	browser := chromium.Start(t)
	for _, loaded := range []bool{false, true} {
		page := writePage(t, loaded)
		for _, width := range []int64{390, 1440} {
			for _, scheme := range []string{"light", "dark"} {
				name := fmt.Sprintf("%d-%s-loaded-%v", width, scheme, loaded)
				t.Run(name, func(t *testing.T) { checkPage(t, browser, screen{width, scheme}, page, name) })
			}
		}
	}
}

// screen is what the page is shown on.
type screen struct {
	width  int64
	scheme string
}

func writePage(t *testing.T, loaded bool) string {
	t.Helper()
	var page bytes.Buffer
	rep := sampleReport(func(b *bench) { b.machine.Loaded = loaded })
	if err := writeHTML(&page, rep); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "run.html")
	if err := os.WriteFile(file, page.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// What is too wide for the screen, and the smallest letters of a chart that is shown,
// in points of the screen.
const (
	tooWide = `[...document.querySelectorAll("body *")].filter(e => !e.closest("svg") &&
		(e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 || e.scrollWidth > e.clientWidth + 1 && e.className == "wide")).map(e => e.outerHTML.slice(0, 100)).slice(0, 3).join("\n")`
	smallest = `Math.min(...[...document.querySelectorAll("svg text")].filter(e => e.getClientRects().length > 0).map(
		e => parseFloat(getComputedStyle(e).fontSize) * e.ownerSVGElement.getScreenCTM().a))`
)

func checkPage(t *testing.T, browser context.Context, on screen, file, name string) {
	tab, closeTab := chromedp.NewContext(browser)
	defer closeTab()
	ctx, cancel := context.WithTimeout(tab, testkit.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(on.width, 900), chromium.Scheme(on.scheme), chromedp.Navigate("file://"+file)); err != nil {
		t.Fatal(err)
	}
	wide, err := chromedp.Run(ctx, chromedp.Evaluate[string](tooWide))
	if err != nil || wide != "" {
		t.Errorf("wider than %d, %v: %s", on.width, err, wide)
	}
	letters, err := chromedp.Run(ctx, chromedp.Evaluate[float64](smallest))
	if err != nil || letters < 9 {
		t.Errorf("letters of %.1f points in a chart, want at least 9 (%v)", letters, err)
	}
	savePicture(ctx, t, name)
}

func savePicture(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	if *pictures == "" {
		return
	}
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*pictures, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}
