package admin

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	// writeTimeout is how long a response may take to be read.
	writeTimeout = 10 * time.Second
	// maxRequests is how many requests there may be at once besides health checks. The
	// rest of maxConns is theirs, so that they are answered whatever other clients do.
	maxRequests = maxConns * 2 / 3
)

// withWriteDeadline ends responses that their client does not read. The server's own
// WriteTimeout would be for profiles too, which take as long as they are asked to.
func withWriteDeadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timeout := writeTimeout
		if seconds, err := strconv.ParseUint(r.URL.Query().Get("seconds"), 10, 16); err == nil {
			timeout += time.Duration(seconds) * time.Second
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(timeout)) // a recorder has none
		next.ServeHTTP(w, r)
	})
}

// limited bounds how many requests are handled at once: past maxRequests, the response is
// 503 at once.
func limited(next http.Handler) http.Handler {
	slots := make(chan struct{}, maxRequests)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Connection", "close")
			w.Header().Set("Retry-After", "1")
			fail(w, http.StatusServiceUnavailable, fmt.Sprintf("%d requests are already in progress", maxRequests))
		}
	})
}

// errorsInJSON gives the mux's own 404 and 405 the form that all other errors have.
func errorsInJSON(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		refusal := refusal{ResponseWriter: w}
		h.ServeHTTP(&refusal, r) // sets Allow
		switch refusal.status {
		case http.StatusMethodNotAllowed:
			fail(w, refusal.status, fmt.Sprintf("%s is not allowed here, expected %s", r.Method, w.Header().Get("Allow")))
		default:
			fail(w, http.StatusNotFound, fmt.Sprintf("no page %q", r.URL.Path))
		}
	})
}

// refusal keeps the status of a response, and drops its body.
type refusal struct {
	http.ResponseWriter
	status int
}

func (r *refusal) WriteHeader(status int)      { r.status = status }
func (r *refusal) Write(p []byte) (int, error) { return len(p), nil }
