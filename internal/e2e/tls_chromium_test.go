//go:build linux

package e2e

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"fourseven/internal/testkit"
	"fourseven/internal/testkit/chromium"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Pins HTTPS with Chromium, which verifies the certificate against the test's authority:
// a page by way of the redirect, a script, and a request on a connection that is kept.
// Certificates of another authority or for another name are refused.
func TestTLSWithChromium(t *testing.T) {
	t.Parallel()
	site := "LB_BACKENDS=" + listenHTTP(t, answerSite)
	lb := serveTLS(t, site, "LB_HEALTH_CHECK=tcp", "LB_L7_REDIRECT_LISTEN=127.0.0.1:0")
	other := serveTLS(t, site, "LB_HEALTH_CHECK=tcp")
	m := regexp.MustCompile(`frontend=l7_redirect addr=\S+:(\d+)`).FindStringSubmatch(lb.output())
	if m == nil {
		t.Fatal("no redirect listener")
	}
	browser := chromium.Start(t,
		chromedp.Env("HOME="+homeThatTrusts(t, lb.caFile)),
		chromedp.Flag("host-resolver-rules", "MAP *.example.com 127.0.0.1"),
		chromedp.Flag("disable-features", "HttpsUpgrades")) // the redirect alone leads to https

	tab := openTab(t, browser, "about:blank")
	got := tab.load("http://a.example.com:" + m[1] + "/page?q=1")
	if want := urlOf(lb, "a.example.com") + "/page?q=1"; got.URL != want || got.Status != http.StatusOK {
		t.Errorf("%s, status %d, want %s", got.URL, got.Status, want)
	}
	if d := got.SecurityDetails; d == nil || d.Issuer != "test authority" || d.SubjectName != "a.example.com" || d.Protocol != "TLS 1.3" {
		t.Errorf("security: %+v", d)
	}
	if !value[bool](tab, "isSecureContext") {
		t.Error("the page is no secure context")
	}
	tab.awaitText(testkit.Patience, "body", "script ran, then fetched over https")
	lb.awaitOutput(1, "status=308")
	page, script, later := lb.clientOf("page"), lb.clientOf("script"), lb.clientOf("later")
	if later != page && later != script {
		t.Errorf("the last request came on a connection of its own, %s; those before it on %s and %s", later, page, script)
	}

	for url, want := range map[string]string{
		urlOf(other, "a.example.com"): "net::ERR_CERT_AUTHORITY_INVALID",
		urlOf(lb, "c.example.com"):    "net::ERR_CERT_COMMON_NAME_INVALID",
	} {
		if err := loadError(browser, url); err == nil || err.ErrorText != want {
			t.Errorf("%s: %v, want %s", url, err, want)
		}
	}
}

// answerSite serves a page with a script, which requests something when the page has
// been loaded, so that there are idle connections.
func answerSite(w http.ResponseWriter, r *http.Request) {
	kind, text := "text/html", `<!doctype html><link rel="icon" href="data:,"><body><script src="/script"></script>`
	switch r.URL.Path {
	case "/script":
		kind, text = "text/javascript", `onload = async () => {
			document.body.innerText = "script ran, then fetched over " + await (await fetch("/later")).text()
		}`
	case "/later":
		kind, text = "text/plain", r.Header.Get("X-Forwarded-Proto")
	}
	w.Header().Set("Content-Type", kind)
	_, _ = io.WriteString(w, text)
}

// urlOf returns the URL of L7 with this host name.
func urlOf(lb *secureBalancer, name string) string {
	_, port, _ := net.SplitHostPort(lb.l7)
	return "https://" + name + ":" + port
}

// clientOf waits until the access log has the response 200 to a path over TLS 1.3, and
// returns the address of its client.
func (s *secureBalancer) clientOf(path string) (addr string) {
	s.t.Helper()
	line := regexp.MustCompile(`msg=request client=(\S+) method=GET path="?/` + path + `\S* status=200 .* tls=1.3 sni=a.example.com`)
	testkit.Eventually(s.t, "the response to /"+path, func() bool {
		m := line.FindStringSubmatch(s.output())
		if m != nil {
			addr = m[1]
		}
		return m != nil
	})
	return addr
}

// homeThatTrusts returns a home directory in which Chromium finds this authority as a
// trusted one.
func homeThatTrusts(t *testing.T, caFile string) string {
	t.Helper()
	certutil := testkit.Need(t, "certutil", "libnss3-tools")
	home := t.TempDir()
	dir := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	output(t, exec.Command(certutil, "-d", "sql:"+dir, "-N", "--empty-password"))
	output(t, exec.Command(certutil, "-d", "sql:"+dir, "-A", "-n", "test", "-t", "C,,", "-i", caFile))
	return home
}

// load loads a page, and returns the response at the end of its redirects.
func (b *tab) load(url string) *network.Response {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, testkit.Patience)
	defer cancel()
	resp, err := chromedp.Run(ctx, chromedp.NavigateResponse(url))
	if err != nil || resp == nil {
		b.t.Fatalf("%s: %v, %v", url, resp, err)
	}
	return resp
}

// loadError returns why the browser does not load a page, or nil if it does.
func loadError(browser context.Context, url string) *chromedp.LoadError {
	tab, cancel := chromedp.NewContext(browser)
	defer cancel()
	ctx, cancelLoad := context.WithTimeout(tab, testkit.Patience)
	defer cancelLoad()
	var failed *chromedp.LoadError
	_ = errors.As(chromedp.Do(ctx, chromedp.Navigate(url)), &failed)
	return failed
}
