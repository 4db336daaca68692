package admin

import (
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler returns the admin pages, and registers the metrics with the source's
// registry. It is safe for concurrent use.
func Handler(src Source) http.Handler {
	src.register()
	guard := newGuard(src.Token)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /readyz", src.ready)
	handlePage(mux)
	mux.Handle("GET /metrics", promhttp.HandlerFor(src.Registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /api/status", src.showStatus)
	mux.HandleFunc("GET /api/backends", src.showBackends)
	mux.HandleFunc("GET /api/config", src.showConfig)
	mux.Handle("POST /api/backends/{addr}/{action}", guard.protect(src.steer))
	mux.Handle("PUT /api/backends/{addr}/weight", guard.protect(src.weigh))
	mux.Handle("/debug/pprof/", guard.protect(profile))
	return plainly(mux)
}

// plainly keeps browsers from guessing what an answer is, and from keeping it.
func plainly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// ready answers 503 with the reason unless this instance should get traffic.
func (src *Source) ready(w http.ResponseWriter, _ *http.Request) {
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
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
