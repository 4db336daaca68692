package admin

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"net/http"
	"path"
	"time"
)

//go:embed page
var pageFiles embed.FS

// pagePolicy lets the page load its own files and ask its own server, and
// nothing else: no inline script or style, no other origin, no frame around it.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// pageTypes are the media types of the page's files. They do not depend on the
// machine's tables, because a browser that may not guess runs no script of
// another type.
var pageTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// handlePage adds the page at / and its files under /page/.
func handlePage(mux *http.ServeMux) {
	files, err := pageFiles.ReadDir("page")
	if err != nil {
		panic(err) // the files are in the binary
	}
	for _, f := range files {
		file := newPageFile("page/" + f.Name())
		if f.Name() == "index.html" {
			mux.Handle("GET /{$}", file)
			continue
		}
		mux.Handle("GET /page/"+f.Name(), file)
	}
}

// pageFile answers with one embedded file.
type pageFile struct {
	body      []byte
	mediaType string
	tag       string // the entity tag: another one for another body
}

func newPageFile(name string) *pageFile {
	body, err := pageFiles.ReadFile(name)
	if err != nil {
		panic(err) // the files are in the binary
	}
	return &pageFile{body, pageTypes[path.Ext(name)], fmt.Sprintf(`"%x"`, sha256.Sum256(body))}
}

// ServeHTTP lets a browser keep the file, but ask each time whether it is still
// the same: after an upgrade no old script meets a new page.
func (f *pageFile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", f.tag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.body))
}
