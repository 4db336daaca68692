package admin

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func newPageServer(t *testing.T) *http.ServeMux {
	t.Helper()
	mux := http.NewServeMux()
	handlePage(mux)
	return mux
}

func get(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestPageFiles pins that every file comes with its type and under the policy.
func TestPageFiles(t *testing.T) {
	h := newPageServer(t)
	for target, mediaType := range map[string]string{
		"/":              "text/html; charset=utf-8",
		"/page/page.css": "text/css; charset=utf-8",
		"/page/page.js":  "text/javascript; charset=utf-8",
		"/page/icon.svg": "image/svg+xml",
	} {
		w := get(h, http.MethodGet, target)
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("%s: status %d, %d bytes", target, w.Code, w.Body.Len())
		}
		for name, want := range map[string]string{
			"Content-Type":            mediaType,
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "no-referrer",
			"Cache-Control":           "no-cache",
			"Content-Security-Policy": pagePolicy,
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", target, name, got, want)
			}
		}
	}
}

// TestPageKept pins that a browser that has a file is not sent it again.
func TestPageKept(t *testing.T) {
	h := newPageServer(t)
	tag := get(h, http.MethodGet, "/").Header().Get("ETag")
	if w := get(h, http.MethodGet, "/", "If-None-Match", tag); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("with the tag %s: status %d, %d bytes, want 304 and none", tag, w.Code, w.Body.Len())
	}
	if w := get(h, http.MethodGet, "/", "If-None-Match", `"older"`); w.Code != http.StatusOK {
		t.Errorf("with another tag: status %d, want 200", w.Code)
	}
}

func TestPageElsewhere(t *testing.T) {
	h := newPageServer(t)
	for _, tt := range []struct {
		method, target string
		want           int
	}{
		{http.MethodHead, "/", http.StatusOK},
		{http.MethodPost, "/", http.StatusMethodNotAllowed},
		{http.MethodGet, "/page/", http.StatusNotFound},
		{http.MethodGet, "/page/index.html", http.StatusNotFound},
		{http.MethodGet, "/page/page.go", http.StatusNotFound},
		{http.MethodGet, "/other", http.StatusNotFound},
	} {
		if w := get(h, tt.method, tt.target); w.Code != tt.want {
			t.Errorf("%s %s: status %d, want %d", tt.method, tt.target, w.Code, tt.want)
		}
	}
}

var (
	reference  = regexp.MustCompile(`"(page/[^"]+)"`)
	moduleName = regexp.MustCompile(`from "\./([^"]+)"`)
	foreign    = regexp.MustCompile(`https?://[^"\s]+`)
	asMarkup   = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function`)
)

// TestPageNeedsNothingElse pins that the page and its scripts refer to files
// that are there, to no other host, and make no markup of data.
func TestPageNeedsNothingElse(t *testing.T) {
	h := newPageServer(t)
	files, err := pageFiles.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{"page/index.html": true}
	for _, f := range files {
		body, err := pageFiles.ReadFile("page/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range append(reference.FindAllSubmatch(body, -1), moduleName.FindAllSubmatch(body, -1)...) {
			name := "page/" + strings.TrimPrefix(string(m[1]), "page/")
			asked[name] = true
			if w := get(h, http.MethodGet, "/"+name); w.Code != http.StatusOK {
				t.Errorf("%s refers to %s: status %d", f.Name(), name, w.Code)
			}
		}
		for _, host := range foreign.FindAllString(string(body), -1) {
			if host != "http://www.w3.org/2000/svg" { // the name of a namespace
				t.Errorf("%s refers to %s", f.Name(), host)
			}
		}
		if found := asMarkup.Find(body); found != nil {
			t.Errorf("%s has %s", f.Name(), found)
		}
	}
	for _, f := range files {
		if !asked["page/"+f.Name()] {
			t.Errorf("nothing refers to %s", f.Name())
		}
	}
}
