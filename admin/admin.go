package admin

import (
	"io"
	"net/http"

	"fourseven/health"
)

// Source is what the pages tell of. All fields are required.
type Source struct {
	Pool *health.Pool
	// Draining reports whether the shutdown has begun.
	Draining func() bool
}

// Handler returns the admin pages. It is safe for concurrent use.
func Handler(src Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /readyz", src.ready)
	return mux
}

// ready answers 503 with the reason unless this instance should get traffic.
func (src Source) ready(w http.ResponseWriter, _ *http.Request) {
	switch {
	case src.Draining():
		answer(w, http.StatusServiceUnavailable, "draining")
	case !src.Pool.Ready():
		answer(w, http.StatusServiceUnavailable, "no backend is up")
	default:
		answer(w, http.StatusOK, "ready")
	}
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
