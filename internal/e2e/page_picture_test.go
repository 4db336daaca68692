//go:build linux

package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"fourseven/internal/testkit"
	"fourseven/internal/testkit/chromium"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// The README's picture of the page, and the largest that it may be.
var update = flag.Bool("update", false, "take the README's picture anew")

// pictures is where TestPagePictures puts what it shows; nowhere if empty.
var pictures = flag.String("pictures", "", "a directory for pictures of the page in many shapes, to be looked at")

const (
	picture    = "testdata/page.png"
	pictureMax = 300 << 10
	// pictureTime is for how long there is load before the README's picture is taken.
	pictureTime = 3 * time.Minute
)

// TestPagePicture takes the README's picture anew with -update: the program under load for
// a few minutes, in which one backend is drained and one goes down.
func TestPagePicture(t *testing.T) {
	if !*update {
		checkPicture(t)
		return
	}
	s := openStage(t, 4, 1)
	s.play(t, 120)
	time.Sleep(pictureTime * 3 / 5) // the picture is of this time
	s.post(t, "/api/backends/"+s.backends[2].addr+"/drain")
	time.Sleep(pictureTime / 5)
	s.down(t, s.backends[3:])
	time.Sleep(pictureTime / 5)
	tab := openTab(t, chromium.Start(t), "http://"+s.lb.admin+"/", chromium.Scheme("light"),
		chromium.Call(emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"}))
	tab.awaitText(testkit.Patience, "#state", "Degraded: 1 of 4 down")
	time.Sleep(3 * time.Second) // rates are means of three seconds
	tab.save(picture)
	checkPicture(t)
}

// TestPagePictures takes pictures with -pictures: of one service and of three, of few backends
// and of many, on three screens, light and dark.
func TestPagePictures(t *testing.T) {
	if *pictures == "" {
		t.Skip("only with -pictures")
	}
	browser := chromium.Start(t)
	for _, services := range []int{1, 3} {
		for _, n := range []int{3, 60} {
			t.Run(fmt.Sprintf("%d services, %d backends", services, n), func(t *testing.T) {
				s := openStage(t, n, services)
				s.play(t, 60)
				time.Sleep(20 * time.Second)
				s.down(t, s.backends[n-max(1, n/12):])
				time.Sleep(15 * time.Second)
				for _, width := range []int64{390, 820, 1440} {
					for _, colors := range []string{"light", "dark"} {
						tab := openPage(t, browser, s.lb, chromedp.EmulateViewport(width, 900), chromium.Scheme(colors))
						time.Sleep(3 * time.Second)
						tab.save(fmt.Sprintf("%s/%d-%d-%d-%s.png", *pictures, services, n, width, colors))
					}
				}
			})
		}
	}
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
