//go:build linux

package e2e

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"fourseven/internal/testkit"
)

// order sends a request that changes something, with a token unless that is empty.
func order(t *testing.T, method, url, body, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{Timeout: testkit.Patience}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestOperator pins what an operator does to a backend of a running program: live
// connections outlast a drain, and are reset by a close or by putting the backend
// down where the settings say so.
func TestOperator(t *testing.T) {
	t.Parallel()
	b := startBackends(t, 2)
	lb := serve(t, backendsOf(b), "LB_ADMIN_TOKEN=hush", "LB_HEALTH_ON_DOWN=close")
	first := "http://" + lb.admin + "/api/backends/" + b[0].addr
	do := func(method, action, body string, want int) {
		t.Helper()
		if code, text := order(t, method, first+action, body, "hush"); code != want {
			t.Fatalf("%s %s: %d %s, want %d", method, action, code, text, want)
		}
	}
	if code, text := order(t, "POST", first+"/drain", "", ""); code != http.StatusUnauthorized {
		t.Errorf("without the token: %d %s", code, text)
	}
	live := dial(t, lb.l4)
	request(t, live, "/slow?body=60s") // the first turn: backend 1
	if _, err := live.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}

	do("POST", "/drain", "", 200)
	if got := servedBy(t, repeat(2, lb.l4, lb.l7)...); got != "2222" {
		t.Errorf("while 1 drains, answers from %s", got)
	}
	if _, err := live.Read(make([]byte, 1)); err != nil {
		t.Errorf("the drain ended a live connection: %v", err)
	}
	do("POST", "/close", "", http.StatusAccepted)
	if _, err := io.Copy(io.Discard, live); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after the close: %v, want a reset", err)
	}

	do("POST", "/ready", "", 200)
	do("PUT", "/weight", `{"weight": 3}`, 200)
	if got := servedBy(t, repeat(4, lb.l4, lb.l7)...); strings.Count(got, "1") != 6 {
		t.Errorf("at a weight of 3 to 1, answers from %s", got)
	}

	do("PUT", "/weight", "256", 200)
	again := dial(t, lb.l4)
	request(t, again, "/slow?body=60s")
	if _, err := again.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	do("POST", "/down", "", 200)
	if _, err := io.Copy(io.Discard, again); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after it was put down: %v, want a reset", err)
	}
	if got := servedBy(t, repeat(2, lb.l4, lb.l7)...); got != "2222" {
		t.Errorf("with 1 down, answers from %s", got)
	}
}

// TestCloseRateIsForBoth pins that L4 and upgraded connections are closed at the
// rate that was asked for together, not each.
func TestCloseRateIsForBoth(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(&sickBackend{})
	t.Cleanup(srv.Close)
	lb := serve(t, "LB_BACKENDS="+srv.URL)
	conns := []net.Conn{dial(t, lb.l4), dial(t, lb.l4), dial(t, lb.l7), dial(t, lb.l7)}
	for _, conn := range conns {
		switchProtocols(t, conn)
	}
	began := time.Now()
	code, text := order(t, "POST", "http://"+lb.admin+"/api/backends/"+srv.Listener.Addr().String()+"/close?rate=4", "", "")
	if code != http.StatusAccepted || !strings.Contains(text, `{"connections":4}`) {
		t.Errorf("%d %s", code, text)
	}
	for _, conn := range conns {
		wantReset(t, conn)
	}
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("4 connections at 4 a second took %s", took)
	}
}
