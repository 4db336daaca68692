//go:build linux

package e2e

import (
	"bytes"
	"context"
	"flag"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"slices"
	"testing"

	"fourseven/internal/testkit"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// The README's picture of the page, and the largest that it may be.
var update = flag.Bool("update", false, "take the README's picture anew")

const (
	picture    = "testdata/page.png"
	pictureMax = 200 << 10
)

// TestPagePicture takes the README's picture anew with -update, after five
// minutes of made-up traffic that pass within seconds.
func TestPagePicture(t *testing.T) {
	if !*update {
		checkPicture(t)
		return
	}
	lb := serve(t, "LB_BACKENDS="+testkit.ReserveAddr(t))
	scene := newScene(t, lb.admin)
	tab := openTab(t, startBrowser(t), scene.URL, scheme("light"), hurry(),
		call(emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"}))
	scene.await(t)
	tab.save(picture)
	checkPicture(t)
}

func checkPicture(t *testing.T) {
	t.Helper()
	data, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.DecodeConfig(bytes.NewReader(data)); err != nil || len(data) > pictureMax {
		t.Errorf("%s: %d bytes, %v; want a PNG of at most %d", picture, len(data), err, pictureMax)
	}
}

// save keeps a picture of the whole page.
func (b *tab) save(name string) {
	b.t.Helper()
	data, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	shown, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		b.t.Fatal(err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, fewColors(shown)); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(name, small.Bytes(), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// fewColors returns the picture in the 256 colors that most of it has, which the
// eye does not notice, and which take a third of the room.
func fewColors(shown image.Image) image.Image {
	often := map[color.Color]int{}
	for y := range shown.Bounds().Dy() {
		for x := range shown.Bounds().Dx() {
			often[shown.At(x, y)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(often), func(a, b color.Color) int { return often[b] - often[a] })
	few := image.NewPaletted(shown.Bounds(), all[:min(256, len(all))])
	draw.Draw(few, few.Bounds(), shown, image.Point{}, draw.Src)
	return few
}

// hurry returns a step that makes the page's seconds short.
func hurry() chromedp.Action[chromedp.Void] {
	const source = "{ const patient = setTimeout; window.setTimeout = (f, ms) => patient(f, ms / 100); }"
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: source})
		return err
	})
}
