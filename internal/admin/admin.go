package admin

import (
	"io"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler returns the admin pages, and registers the metrics with the source's
// registry. It is safe for concurrent use.
func Handler(src Source) http.Handler {
	if src.Logger == nil {
		src.Logger = slog.New(slog.DiscardHandler)
	}
	src.register()
	guard := newGuard(src.Token, src.Hostname)
	health, rest := http.NewServeMux(), http.NewServeMux()
	health.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "ok")
	})
	health.HandleFunc("GET /readyz", src.ready)
	health.Handle("/", guard.ownName(limited(errorsInJSON(rest))))
	handlePage(rest)
	rest.Handle("GET /metrics", promhttp.HandlerFor(src.Registry, promhttp.HandlerOpts{}))
	rest.HandleFunc("GET /api/status", src.showStatus)
	rest.HandleFunc("GET /api/backends", src.showBackends)
	rest.HandleFunc("GET /api/backends/{addr...}", src.showBackend)
	rest.HandleFunc("GET /api/services/{service}/backends", src.showBackends)
	rest.HandleFunc("GET /api/services/{service}/backends/{addr...}", src.showBackend)
	rest.HandleFunc("GET /api/history", src.showHistory)
	rest.HandleFunc("GET /api/events", src.showEvents)
	rest.HandleFunc("GET /api/connections", newConnLists(src.Services).show)
	rest.Handle("POST /api/connections/{id}/close", guard.protect(src.closeConn))
	rest.HandleFunc("GET /api/config", src.showConfig)
	for _, backends := range []string{"/api/backends/", "/api/services/{service}/backends/"} {
		rest.Handle("POST "+backends+"{path...}", guard.protect(src.steer))
		rest.Handle("PUT "+backends+"{path...}", guard.protect(src.weigh))
	}
	rest.Handle("GET /debug/pprof/", guard.protect(profile))
	rest.Handle("POST /debug/pprof/", guard.protect(profile)) // symbol takes a body
	return plainly(withWriteDeadline(health))
}

// plainly keeps browsers from guessing the type of a response, and from keeping it.
func plainly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}
