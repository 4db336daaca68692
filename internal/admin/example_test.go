package admin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/prometheus/client_golang/prometheus"

	"fourseven/health"
	"fourseven/internal/admin"
)

func Example() {
	pool := health.NewPool(health.NewBackend("10.0.0.1:5432"))
	pool.MarkAllUp()
	h := admin.Handler(admin.Source{
		Services: []*admin.Service{{Pool: pool, Counters: admin.NewCounters()}},
		Registry: prometheus.NewRegistry(),
		Draining: func() bool { return false },
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 200 ready
}
