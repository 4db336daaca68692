package admin

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"fourseven/internal/testkit"
)

// Pins that clients which ask for something large and do not read it keep health checks
// from nobody, and that they are given up after a time.
func TestHealthChecksBesideStalledReaders(t *testing.T) {
	src := source(t)
	for i := range 2_000 { // series that no socket's buffers hold
		src.Registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{
			Name: fmt.Sprintf("filler_%d", i), Help: strings.Repeat("x", 10_000)}))
	}
	srv := httptest.NewUnstartedServer(Handler(src))
	srv.Config.ConnState = Few()
	srv.Start()
	t.Cleanup(srv.Close)
	for range 2 * maxConns {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		_, _ = io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
	}
	client := http.Client{Timeout: testkit.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for range 50 {
		for _, path := range []string{"/healthz", "/readyz"} {
			resp, err := client.Get(srv.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("%s: %d", path, resp.StatusCode)
			}
		}
	}
	testkit.Eventually(t, "metrics are shown again", func() bool {
		resp, err := client.Get(srv.URL + "/api/status")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}
